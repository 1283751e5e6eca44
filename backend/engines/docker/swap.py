"""Keeps releases from the machine's swap.

Swarm cannot say it before Docker 29: a container with a memory limit may take as much again of swap. So it
is told of each container once that one is seen to run.
"""

from __future__ import annotations

from docker import APIClient
from docker.errors import APIError
from docker.errors import NotFound as Missing
from loguru import logger

REMEMBERED = 1000


class Swap:
    def __init__(self) -> None:
        self._bounded: set[str] = set()

    def bound(self, client: APIClient, container_id: str, memory_bytes: int) -> None:
        """Once for each container; one that already swaps more than it may is tried again the next time."""
        if container_id in self._bounded:
            return
        try:
            client.update_container(container_id, mem_limit=memory_bytes, memswap_limit=memory_bytes)
        except Missing:
            return
        except APIError as error:
            logger.warning(
                "the swap of container {} is not limited: {}", container_id[:12], error.explanation
            )
            return
        if len(self._bounded) > REMEMBERED:
            self._bounded.clear()
        self._bounded.add(container_id)
