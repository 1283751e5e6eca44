"""Old images on other nodes: only a node's own Docker can remove them, so a task of the swarm asks it to.

On the panel's own node they go with their deployments (`images.py`). Elsewhere one that no container has and
that is a week old goes once a day; should it be wanted again, the node fetches it from the registry.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from pathlib import Path

from docker import APIClient
from docker.errors import APIError
from docker.types import Mount
from loguru import logger

from backend.engines.docker import everynode, names, states
from backend.engines.docker.swarm import Swarm
from backend.engines.layout import Layout, read_json
from backend.engines.sealed import write_atomically
from backend.engines.text import clean_line

EVERY = 86400.0
UNUSED = "168h"
"""How old an image has to be, as Docker writes it."""
WITHIN = 300.0
POLL = 0.5
LABEL = "gavan.sweep"
"""Not the engine's usual one: these are no releases."""
SCRIPT = Path(__file__).with_name("imagesweep.py")


class Sweeping:
    def __init__(self, layout: Layout, swarm: Swarm, instance: str, socket: str) -> None:
        """`socket` is where the nodes' Docker listens, on each; empty to leave their images alone."""
        self._layout, self._swarm, self._instance, self._socket = layout, swarm, instance, socket
        self._name = f"gavan-{instance}-sweep"

    async def sweep(self, image: str) -> int | None:
        """Bytes that are free again on other nodes; None when it was not the time, or there are none.

        `image` has Python, and each node can get it. A node on which it fails is named in the log.
        """
        hosts = await self._swarm.hosts()
        if not self._socket or not hosts.by_node.keys() - hosts.down - {hosts.own}:
            return None
        last = await asyncio.to_thread(read_json, self._noted)
        if last is not None and 0 <= time.time() - last["at"] < EVERY:
            return None
        noted = json.dumps({"at": time.time()}).encode()
        await asyncio.to_thread(write_atomically, self._noted, noted, durable=False)
        await self._swarm.call(self._clear)
        try:
            await self._swarm.call(lambda client: self._begin(client, image, hosts.own))
            return await self._freed(hosts.down)
        finally:
            await self._swarm.call(self._clear)

    @property
    def _noted(self) -> Path:
        return self._layout.home / "sweep.json"

    def _begin(self, client: APIClient, image: str, own: str) -> None:
        """A task on each node but this one."""
        (wanted,) = names.mine(self._instance)["label"]
        everynode.begin(
            *(client, self._name, image),
            ["python3", "-I", "-S", "-c", SCRIPT.read_text(), wanted, UNUSED],
            {LABEL: self._instance},
            constraints=[f"node.id!={own}"],
            user="0",
            mounts=[Mount("/docker.sock", self._socket, type="bind")],
        )

    async def _freed(self, down: frozenset[str]) -> int:
        deadline = time.monotonic() + WITHIN
        while True:
            await asyncio.sleep(POLL)
            tasks = await self._swarm.call(lambda client: client.tasks(filters={"service": self._name}))
            tasks = [task for task in tasks if task.get("NodeID") not in down]
            under_way = {task["Status"]["State"] for task in tasks} & (states.COMING | {"running"})
            if (tasks and not under_way) or time.monotonic() > deadline:
                break
        for task in tasks:
            if (state := task["Status"]["State"]) != "complete":
                why = clean_line(str(task["Status"].get("Err", state))[:300].encode())
                logger.warning("old images of node {} are left there: {}", task.get("NodeID"), why)
        lines = await self._swarm.call(lambda client: everynode.said(client, self._name))
        freed = sum(int(line) for line in lines if line.isdigit())
        logger.info("other nodes have {} bytes of old images less", freed)
        return freed

    def _clear(self, client: APIClient) -> None:
        with contextlib.suppress(APIError):
            client.remove_service(self._name)
