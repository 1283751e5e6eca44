"""Whether the rules of node/firewall are in force: found out by trying.

From where releases are, on each node of the swarm, and from where builds are. The answer is kept in the home
and holds for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import APIError
from loguru import logger

from backend.engines.base import Caution
from backend.engines.docker import buildnet, everynode
from backend.engines.docker.client import Daemon
from backend.engines.docker.swarm import GATEWAY, Swarm
from backend.engines.layout import Layout, read_json
from backend.engines.sealed import write_atomically

NETWORK_OPEN = Caution(
    "network_open",
    "Apps and builds can reach this machine's own ports, its private network and the cloud's metadata "
    "address, or it is not proven that they cannot: run `node/firewall install` as root on each node.",
)
PRIVATE = ("169.254.169.254", "10.255.255.254", "172.31.255.254", "192.168.255.254", "100.127.255.254")
"""One address of each network that the rules close."""
BELIEVED = 3600.0
"""Seconds for which what was found holds."""
WITHIN = 60.0
LABEL = "gavan.knock"
"""Not the engine's usual one: these are no releases."""
KNOCK = Path(__file__).with_name("knock.py")


class Firewall:
    def __init__(self, layout: Layout, swarm: Swarm, daemon: Daemon, instance: str) -> None:
        self._layout, self._swarm, self._daemon, self._instance = layout, swarm, daemon, instance
        self._name = f"gavan-{instance}-knock"
        self._mine = {"label": [f"{LABEL}={instance}"]}

    async def is_proven(self) -> bool:
        found = await asyncio.to_thread(read_json, self._path)
        return (
            found is not None
            and not found["open"]
            and 0 <= time.time() - found["at"] < BELIEVED
            and found["daemon"] == await self._swarm.identity()
        )

    async def examine(self, image: str) -> list[str]:
        """Try, with an image that has Python, and note the answer: what customers' containers may reach."""
        async with self._alone():
            return await self._examine(image)

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        lock = self._layout.locked("knock")
        await asyncio.to_thread(lock.__enter__)
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    async def _examine(self, image: str) -> list[str]:
        addresses = await self._swarm.call(_addresses)
        await self._swarm.call(self._clear)
        try:
            releases = functools.partial(self._from_releases, image, addresses)
            tried = asyncio.gather(self._swarm.call(releases), self._from_builds(image, addresses))
            found = {address for place in await tried for address in place}
        finally:
            await self._swarm.call(self._clear)
        noted = {"at": time.time(), "open": sorted(found), "daemon": await self._swarm.identity()}
        await asyncio.to_thread(write_atomically, self._path, json.dumps(noted).encode(), durable=False)
        if found:
            logger.warning("customers' containers are not held back from {}", ", ".join(sorted(found)))
        return sorted(found)

    @property
    def _path(self) -> Path:
        return self._layout.home / "firewall.json"

    def _from_releases(self, image: str, addresses: list[str], client: APIClient) -> list[str]:
        """A task on each node, on a network of its own as releases are."""
        labels = {LABEL: self._instance}
        network = client.create_network(self._name, driver="overlay", check_duplicate=True, labels=labels)
        networks = [{"Target": network["Id"]}]
        everynode.begin(client, self._name, image, _command(addresses), labels, networks=networks)
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline:
            time.sleep(0.1)
            tasks = client.tasks(filters={"service": self._name})
            states = {task["Status"]["State"] for task in tasks}
            if states & {"failed", "rejected"}:
                break
            if states == {"complete"}:
                lines = everynode.said(client, self._name)
                if len(lines) == len(tasks):
                    return [address for line in lines for address in json.loads(line)]
        return ["a node on which it could not be tried"]

    async def _from_builds(self, image: str, addresses: list[str]) -> list[str]:
        async with buildnet.network(self._daemon, self._instance, "knock") as network:

            def run(client: APIClient) -> list[str]:
                host = client.create_host_config(
                    network_mode=network, mem_limit=everynode.MEMORY, cap_drop=["ALL"], read_only=True
                )
                labels = {LABEL: self._instance}
                identity = client.create_container(
                    image, command=_command(addresses), labels=labels, host_config=host
                )["Id"]
                try:
                    client.start(identity)
                    if client.wait(identity, timeout=WITHIN)["StatusCode"]:
                        return ["where builds are, for it could not be tried"]
                    found: list[str] = json.loads(client.logs(identity, stdout=True, stderr=False))
                finally:
                    client.remove_container(identity, force=True, v=True)
                return found

            return await self._daemon.call(run)

    def _clear(self, client: APIClient) -> None:
        """What is left of this trial, or of one that was interrupted."""
        with contextlib.suppress(APIError):
            client.remove_service(self._name)
        for container in client.containers(all=True, filters=self._mine):
            with contextlib.suppress(APIError):
                client.remove_container(container["Id"], force=True, v=True)
        deadline = time.monotonic() + WITHIN
        while self._is_left(client) and time.monotonic() < deadline:
            # Until its tasks are gone.
            with contextlib.suppress(APIError):
                client.remove_network(self._name)
            time.sleep(0.1)

    def _is_left(self, client: APIClient) -> bool:
        networks = any(found["Name"] == self._name for found in client.networks(names=[self._name]))
        return networks or bool(client.containers(all=True, quiet=True, filters=self._mine))


def _command(addresses: list[str]) -> list[str]:
    return ["python3", "-I", "-S", "-c", KNOCK.read_text(), *addresses]


def _addresses(client: APIClient) -> list[str]:
    """What must not be reached: private networks, and the nodes themselves."""
    nodes: list[dict[str, Any]] = client.nodes()
    found = {node["Status"].get("Addr", "") for node in nodes}
    for network in client.networks(names=["bridge", GATEWAY], filters={"driver": ["bridge"]}):
        found |= {_gateway(config) for config in network["IPAM"]["Config"] or ()}
    return [*PRIVATE, *sorted(address for address in found if _is_outside(address))]


def _gateway(config: dict[str, str]) -> str:
    """Docker does not always say it of its own bridge: then it is the first address."""
    subnet = ipaddress.ip_network(config["Subnet"])
    return config.get("Gateway") or str(subnet.network_address + 1)


def _is_outside(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.version == 4 and not parsed.is_loopback and not parsed.is_unspecified
