"""Stands in for an engine with nodes: what a swarm would do at once, and moves nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from backend.engines.base import EngineError
from backend.engines.nodes import (
    Availability,
    JoinOrder,
    Node,
    NodeDisk,
    NodeKeeper,
    Nodes,
    PlacedUnit,
    Waiting,
)

FIRST, SECOND = "sintb3100h58waj0zdd0nxvyt", "tirvu4d64nklvspnnyu8tejdc"
GIB = 2**30


def node(node_id: str, name: str, **changes: object) -> Node:
    made = Node(
        id=node_id,
        name=name,
        state="ready",
        why="",
        availability=Availability.ACTIVE,
        manager=False,
        leader=False,
        here=False,
        address="198.51.100.12",
        architecture="x86_64",
        version="26.1.5",
        cpu_millis=8000,
        memory_bytes=16 * GIB,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def first_node(*units: PlacedUnit) -> Node:
    return node(
        FIRST,
        "node-1",
        manager=True,
        leader=True,
        here=True,
        address="198.51.100.11",
        disk=NodeDisk(200 * GIB, 80 * GIB),
        image_bytes=3 * GIB,
        units=units,
        labels={"disk": "ssd"},
    )


def placed(
    deployment_id: object, service_id: object, *, running: bool = True, replica: int = 1
) -> PlacedUnit:
    return PlacedUnit(str(deployment_id), str(service_id), "web", replica, running, GIB // 2, 500)


@dataclass
class Swarm(NodeKeeper):
    name: str = "docker"
    abilities: frozenset[str] = frozenset({"nodes"})
    known: dict[str, Node] = field(
        default_factory=lambda: {FIRST: first_node(), SECOND: node(SECOND, "node-2")}
    )
    waiting: tuple[Waiting, ...] = ()
    asked: list[tuple[object, ...]] = field(default_factory=list)
    trouble: EngineError | None = None

    async def nodes(self) -> Nodes:
        if self.trouble:
            raise self.trouble
        return Nodes(tuple(self.known.values()), self.waiting)

    def _one(self, node_id: str) -> Node:
        if self.trouble:
            raise self.trouble
        if node_id not in self.known:
            raise EngineError("node_missing", "There is no such node.")
        return self.known[node_id]

    async def set_availability(self, node_id: str, availability: Availability) -> None:
        self.known[node_id] = replace(self._one(node_id), availability=availability)
        self.asked.append((node_id, availability))

    async def set_node_labels(self, node_id: str, labels: Mapping[str, str]) -> None:
        self.known[node_id] = replace(self._one(node_id), labels=dict(labels))

    async def remove_node(self, node_id: str) -> None:
        if self._one(node_id).state != "down":
            raise EngineError(
                "node_conflict", "Only a worker that is down can be removed.", detail="not_down"
            )
        del self.known[node_id]

    async def join_order(self, *, rotate: bool) -> JoinOrder:
        if self.trouble:
            raise self.trouble
        return JoinOrder(f"docker swarm join --token SWMTKN-{'2' if rotate else '1'} 198.51.100.11:2377")
