"""The swarm that the daemon is in: begun where there is none, as a swarm of one node.

Swarm publishes ports on every address of the machine, past the edge. It does not on ours: the bridge
through which containers reach the outside is made beforehand, bound to one address.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from docker import APIClient
from loguru import logger

from backend.engines.base import Caution, EngineError, Retry
from backend.engines.docker import cgroup
from backend.engines.docker.client import Daemon, NotASwarm, NotFound, unavailable
from backend.engines.docker.settings import DockerEngineSettings
from backend.engines.layout import Layout, read_json
from backend.engines.sealed import write_atomically

T = TypeVar("T")

GATEWAY = "docker_gwbridge"
BINDING = "com.docker.network.bridge.host_binding_ipv4"
GATEWAY_OPTIONS = {
    # As dockerd makes it,
    "com.docker.network.bridge.name": GATEWAY,
    "com.docker.network.bridge.enable_icc": "false",
    "com.docker.network.bridge.enable_ip_masquerade": "true",
}
"""and the binding."""
LISTEN_PORT = 2377
ANOTHER = "another_daemon"
ANY = ("", "0.0.0.0")  # noqa: S104

PORTS_OPEN = Caution(
    "ports_open",
    "Apps' ports are published on every address of this machine, so that they answer past the edge too. "
    f"Leave the swarm, remove the network {GATEWAY}, and restart the panel, which makes both anew.",
)
ROOT_IS_ROOT = Caution(
    "root_is_root",
    "Docker does not remap users: root in a container is root outside, should it ever get there.",
)
NO_SECCOMP = Caution("no_seccomp", "Docker filters no system calls (seccomp is off).")
LIMITS_MISSING = Caution(
    "limits_missing", "This kernel does not let Docker limit what apps take of memory, CPU time or processes."
)

BUILDS_FORK = Caution(
    "builds_fork",
    "Nothing bounds how many processes a build may have, but its memory and time: BUILD_CGROUP_PARENT can.",
)


@dataclass(frozen=True, slots=True)
class Hosts:
    own: str
    by_node: dict[str, str]
    down: frozenset[str]
    """Nodes that the swarm has given up: what they last said of their tasks means nothing."""

    def of(self, node_id: str | None) -> str:
        return self.by_node.get(node_id or self.own, self.by_node[self.own])


class Swarm:
    def __init__(self, settings: DockerEngineSettings, layout: Layout, daemon: Daemon) -> None:
        self._settings, self._layout, self._daemon = settings, layout, daemon
        self._changes = Daemon(settings.host, threads=1, login=settings.shared)
        self._host = ""
        """At which this node's published ports answer; empty until the swarm was seen."""

    async def call(self, function: Callable[[APIClient], T]) -> T:
        """As `Daemon.call`, on a daemon that is in a swarm."""
        return await self._call(self._daemon, function)

    async def change(self, function: Callable[[APIClient], T]) -> T:
        """The same for what takes a lock: one after the other, so that one thread does all the waiting."""
        return await self._call(self._changes, function)

    async def _call(self, daemon: Daemon, function: Callable[[APIClient], T]) -> T:
        await self.host()
        try:
            return await daemon.call(function)
        except NotASwarm:
            self._host = ""
            await self.host()
            return await daemon.call(function)

    async def find(self, function: Callable[[APIClient], T]) -> T | None:
        """The same, with None for what does not exist."""
        try:
            return await self.call(function)
        except NotFound:
            return None

    async def host(self) -> str:
        if not self._host:
            self._host = await self._daemon.call(self._join)
        return self._host

    def _join(self, client: APIClient) -> str:
        self._layout.prepare()
        state = client.info()["Swarm"]
        if state["LocalNodeState"] != "active":
            with self._layout.locked("swarm"):
                state = client.info()["Swarm"]
                if state["LocalNodeState"] == "inactive":
                    state = self._begin(client)
        if not state["ControlAvailable"]:
            raise EngineError(
                "engine_unavailable",
                "This Docker is not (or not yet) a manager of its swarm; this is tried again by itself.",
                retry=Retry.BACKOFF,
                detail="no_manager",
            )
        binding = _gateway_binding(client)
        return str(state["NodeAddr"] if binding is None or binding in ANY else binding)

    def _begin(self, client: APIClient) -> dict[str, Any]:
        address = self._settings.swarm_address
        if _gateway_binding(client) is None:
            client.create_network(
                GATEWAY, driver="bridge", options={**GATEWAY_OPTIONS, BINDING: address}, check_duplicate=True
            )
        client.init_swarm(advertise_addr=address, listen_addr=f"{address}:{LISTEN_PORT}")
        logger.info("made Docker a swarm of one node at {}", address)
        found: dict[str, Any] = client.info()["Swarm"]
        return found

    async def hosts(self) -> Hosts:
        """At which addresses the published ports of nodes answer."""
        own, host = (await self.identity())["NodeID"], await self.host()
        nodes = await self.call(lambda client: client.nodes())
        others = {node["ID"]: str(node["Status"].get("Addr") or host) for node in nodes}
        down = frozenset(node["ID"] for node in nodes if node["Status"]["State"] == "down")
        return Hosts(own, {**others, own: host}, down)

    async def identity(self) -> dict[str, str]:
        """Of the daemon: of older ones, several on one machine have the same id, but not as nodes."""
        return await self.call(_identity)

    async def settle(self) -> None:
        """Note in the home that releases live in this daemon."""
        identity = await self.identity()
        if await asyncio.to_thread(read_json, self._settled) != identity:
            logger.info("releases live in the daemon {ID}, node {NodeID}, from now on", **identity)
            await asyncio.to_thread(write_atomically, self._settled, json.dumps(identity).encode())

    async def check_settled(self) -> None:
        """Refuse to take what this daemon does not have for lost, when it is not the one that `settle` noted:
        somebody may only have given another address, or forgotten to mount the home."""
        if await self.identity() != await asyncio.to_thread(read_json, self._settled):
            raise unavailable("This Docker is not the one in which apps were last started", detail=ANOTHER)

    @property
    def _settled(self) -> Path:
        return self._layout.home / "docker.json"

    async def cautions(self) -> list[Caution]:
        await self.host()
        info, binding = await asyncio.gather(
            self._daemon.call(lambda client: client.info()), self._daemon.call(_gateway_binding)
        )
        security = " ".join(info.get("SecurityOptions") or ())
        limited = all(info.get(name) for name in ("MemoryLimit", "CpuCfsQuota", "PidsLimit"))
        bounded = bool(self._settings.build_cgroup_parent) or await asyncio.to_thread(
            cgroup.can_bound, info, self._settings.host
        )
        told = (
            (BUILDS_FORK, not bounded),
            (LIMITS_MISSING, not limited),
            (NO_SECCOMP, "name=seccomp" not in security),
            (PORTS_OPEN, binding in ANY),
            (ROOT_IS_ROOT, "name=userns" not in security and "name=rootless" not in security),
        )
        return [caution for caution, holds in told if holds]


def _identity(client: APIClient) -> dict[str, str]:
    info = client.info()
    return {"ID": str(info["ID"]), "NodeID": str(info["Swarm"]["NodeID"])}


def _gateway_binding(client: APIClient) -> str | None:
    """The address to which published ports are bound, empty for all of them; None without the bridge."""
    for network in client.networks(names=[GATEWAY]):
        if network["Name"] == GATEWAY:
            return str(network["Options"].get(BINDING, ""))
    return None
