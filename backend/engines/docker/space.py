"""How much room the daemon's disk has left, where this process can see that disk."""

from __future__ import annotations

import shutil

from docker import APIClient

from backend.engines.base import EngineError, Retry
from backend.engines.docker.client import Daemon


class Space:
    def __init__(self, daemon: Daemon, reserve: int) -> None:
        self._daemon, self._reserve = daemon, reserve
        self._root = ""

    async def find(self) -> None:
        """Ask once where the daemon keeps its things; a daemon elsewhere has to see to itself."""
        if not self._root and self._daemon.host.startswith("unix:"):
            self._root = await self._daemon.call(_root)

    def check(self) -> None:
        """Raises when less is free than the reserve that all customers' services live on."""
        if not self._root:
            return
        try:
            free = shutil.disk_usage(self._root).free
        except OSError:
            # A panel in a container of its own: the path is another machine's, so to say.
            return
        if free < self._reserve:
            raise EngineError(
                "engine_unavailable",
                "The server has too little disk space for builds; this is tried again by itself.",
                retry=Retry.BACKOFF,
                detail="disk_short",
            )


def _root(client: APIClient) -> str:
    return str(client.info().get("DockerRootDir") or "")
