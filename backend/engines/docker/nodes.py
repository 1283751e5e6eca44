"""The nodes of the swarm: what is on each, and how one comes, is emptied and goes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from typing import Any

from docker import APIClient

from backend.engines.base import EngineError, UnitState
from backend.engines.docker import names, states, whose
from backend.engines.docker.client import Conflict, Daemon, NotFound
from backend.engines.docker.states import Service, Task
from backend.engines.docker.swarm import LISTEN_PORT, Swarm
from backend.engines.nodes import Availability, JoinOrder, Node, NodeDisk, Nodes, PlacedUnit, Waiting

CHANGE_ATTEMPTS = 5
_LOOPBACK = ("127.", "::1", "localhost")


class NodesOfSwarm:
    def __init__(self, daemon: Daemon, swarm: Swarm, instance: str) -> None:
        self._daemon, self._swarm, self._instance = daemon, swarm, instance

    async def all(self) -> Nodes:
        own = (await self._swarm.identity())["NodeID"]
        return await self._swarm.call(lambda client: self._all(client, own))

    def _all(self, client: APIClient, own: str) -> Nodes:
        releases = names.releases(self._instance)
        services: dict[str, Service] = {found["ID"]: found for found in client.services(filters=releases)}
        tasks: list[Task] = client.tasks(filters=releases) if services else []
        placed: dict[str, list[PlacedUnit]] = {}
        waiting = []
        for task in tasks:
            unit = whose.unit_of_task(self._instance, task)
            if unit is None or task["ServiceID"] not in services:
                continue
            if task.get("NodeID") and is_on_node(task):
                placed.setdefault(task["NodeID"], []).append(_placed(unit, task))
            elif task["DesiredState"] == "running" and task["Status"]["State"] == "pending":
                waiting.append(_waiting(unit, task))
        nodes = []
        for found in client.nodes():
            here = found["ID"] == own
            disk = _disk(client, self._daemon.host) if here else None
            size = _image_bytes(client, self._instance) if here else None
            nodes.append(_node(found, here, placed.get(found["ID"], []), disk, size))
        return Nodes(
            tuple(sorted(nodes, key=lambda node: (not node.here, not node.manager, node.name, node.id))),
            tuple(waiting),
        )

    async def set_availability(self, node_id: str, availability: Availability) -> None:
        await self._change(node_id, lambda spec: {**spec, "Availability": availability.value})

    async def set_labels(self, node_id: str, labels: Mapping[str, str]) -> None:
        await self._change(node_id, lambda spec: {**spec, "Labels": dict(labels)})

    async def _change(self, node_id: str, alter: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        def change(client: APIClient) -> None:
            found = client.inspect_node(node_id)
            wanted = alter(found["Spec"])
            if wanted != found["Spec"]:
                client.update_node(found["ID"], found["Version"]["Index"], wanted)

        for attempt in range(CHANGE_ATTEMPTS):
            try:
                return await self._swarm.call(change)
            except NotFound:
                raise missing() from None
            except Conflict:
                # The swarm wrote a state of the node in between.
                if attempt == CHANGE_ATTEMPTS - 1:
                    raise

    async def remove(self, node_id: str) -> None:
        def remove(client: APIClient) -> None:
            found = client.inspect_node(node_id)
            if found["Status"]["State"] != "down" or found["Spec"]["Role"] == "manager":
                message = "Only a worker that is down can be removed: let it leave the swarm first."
                raise EngineError("node_conflict", message, detail="not_down")
            client.remove_node(found["ID"])

        try:
            await self._swarm.call(remove)
        except NotFound:
            raise missing() from None

    async def join_order(self, *, rotate: bool) -> JoinOrder:
        def ask(client: APIClient) -> JoinOrder:
            if rotate:
                spec = client.inspect_swarm()
                client.update_swarm(
                    spec["Version"]["Index"], swarm_spec=spec["Spec"], rotate_worker_token=True
                )
            token = client.inspect_swarm()["JoinTokens"]["Worker"]
            address = _reachable(client)
            return JoinOrder(f"docker swarm join --token {token} {address}")

        return await self._swarm.call(ask)


def is_on_node(task: Task) -> bool:
    """Whether it takes something of its node: it runs there, or is about to. What a node that is down last
    said of its tasks is believed no longer than the swarm does, which then wants them ended."""
    return task["DesiredState"] in ("running", "ready") and task["Status"]["State"] in (
        "running",
        *(states.COMING - {"new", "pending", "allocated"}),
    )


def missing() -> EngineError:
    return EngineError("node_missing", "There is no such node.")


def _reachable(client: APIClient) -> str:
    """Where managers listen for those who join."""
    found = client.info()["Swarm"]
    managers = [str(one["Addr"]) for one in found.get("RemoteManagers") or ()]
    own = str(found["NodeAddr"])
    address = next((one for one in managers if one.rpartition(":")[0] == own), f"{own}:{LISTEN_PORT}")
    if address.startswith(_LOOPBACK):
        raise EngineError(
            "node_conflict",
            "This swarm listens on loopback only: set DOCKER_SWARM_ADDRESS to an address that other machines "
            "reach, let Docker leave the swarm, and restart the panel.",
            detail="loopback",
        )
    return address


def _placed(unit: whose.UnitIds, task: Task) -> PlacedUnit:
    limits = task["Spec"].get("Resources", {}).get("Limits") or {}
    return PlacedUnit(
        deployment_id=unit.deployment_id,
        service_id=unit.service_id,
        process=unit.process,
        replica=unit.replica,
        running=task["Status"]["State"] == UnitState.RUNNING,
        memory_bytes=int(limits.get("MemoryBytes", 0)),
        cpu_millis=int(limits.get("NanoCPUs", 0)) // 10**6,
    )


def _waiting(unit: whose.UnitIds, task: Task) -> Waiting:
    return Waiting(
        deployment_id=unit.deployment_id,
        service_id=unit.service_id,
        process=unit.process,
        replica=unit.replica,
        pinned_to=states.constraint_node(task),
        why=str(task["Status"].get("Err", ""))[:300],
    )


def _node(
    found: dict[str, Any], here: bool, units: list[PlacedUnit], disk: NodeDisk | None, image_bytes: int | None
) -> Node:
    spec, status, described = found["Spec"], found["Status"], found.get("Description") or {}
    resources, platform = described.get("Resources") or {}, described.get("Platform") or {}
    manager = found.get("ManagerStatus") or {}
    return Node(
        id=str(found["ID"]),
        name=str(described.get("Hostname") or found["ID"]),
        state=str(status.get("State", "unknown")),
        why=str(status.get("Message", ""))[:300],
        availability=Availability(spec["Availability"]),
        manager=spec["Role"] == "manager",
        leader=bool(manager.get("Leader")),
        here=here,
        address=str(status.get("Addr", "")),
        architecture=str(platform.get("Architecture", "")),
        version=str((described.get("Engine") or {}).get("EngineVersion", "")),
        cpu_millis=int(resources.get("NanoCPUs", 0)) // 10**6,
        memory_bytes=int(resources.get("MemoryBytes", 0)),
        labels=dict(spec.get("Labels") or {}),
        units=tuple(sorted(units, key=lambda unit: (unit.service_id, unit.process, unit.replica))),
        disk=disk,
        image_bytes=image_bytes,
    )


def _disk(client: APIClient, host: str) -> NodeDisk | None:
    if not host.startswith("unix:"):
        return None
    try:
        usage = shutil.disk_usage(str(client.info()["DockerRootDir"]))
    except OSError:
        # A panel in a container of its own: the path is another machine's, so to say.
        return None
    return NodeDisk(usage.total, usage.free)


def _image_bytes(client: APIClient, instance: str) -> int:
    return sum(int(image["Size"]) for image in client.images(filters=names.mine(instance)))
