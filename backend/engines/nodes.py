"""The machines on which an engine runs units: the part of the engine contract (`base.py`) about them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Availability(enum.StrEnum):
    """`PAUSE` keeps what is there and takes nothing new; `DRAIN` has what is there moved elsewhere."""

    ACTIVE = "active"
    PAUSE = "pause"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class PlacedUnit:
    deployment_id: str
    service_id: str
    process: str
    replica: int
    running: bool
    memory_bytes: int
    """Its limit: so much it may take."""
    cpu_millis: int


@dataclass(frozen=True, slots=True)
class NodeDisk:
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Node:
    id: str
    name: str
    state: str
    """`ready`, `down`, `unknown` or `disconnected`."""
    why: str
    """What the swarm says of a state that is not `ready`."""
    availability: Availability
    manager: bool
    leader: bool
    here: bool
    """Whether the panel's own daemon is this one: what only its socket tells is known of it alone."""
    address: str
    architecture: str
    version: str
    cpu_millis: int
    memory_bytes: int
    labels: Mapping[str, str] = field(default_factory=dict)
    units: tuple[PlacedUnit, ...] = ()
    disk: NodeDisk | None = None
    """Of the disk that holds images and volumes; None where it cannot be seen from here."""
    image_bytes: int | None = None
    """What our images take, layers that they share counted once for each."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A unit that no node takes."""

    deployment_id: str
    service_id: str
    process: str
    replica: int
    pinned_to: str
    """The id of the node on which its data lies; empty if it waits for another reason."""
    why: str


@dataclass(frozen=True, slots=True)
class Nodes:
    nodes: tuple[Node, ...]
    waiting: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True)
class JoinOrder:
    command: str = field(repr=False)
    """With the token; for whoever becomes root on the new machine."""


class NodeKeeper:
    """Only with the ability `nodes`. Codes: node_missing, node_conflict, engine_unavailable (retry)."""

    async def nodes(self) -> Nodes:
        raise NotImplementedError

    async def set_availability(self, node_id: str, availability: Availability) -> None:
        """Returns once the swarm knows it, and not when units have moved. Twice is fine."""
        raise NotImplementedError

    async def set_node_labels(self, node_id: str, labels: Mapping[str, str]) -> None:
        raise NotImplementedError

    async def remove_node(self, node_id: str) -> None:
        """One that is down; it may not come back with what it knows. Codes: node_conflict for others."""
        raise NotImplementedError

    async def join_order(self, *, rotate: bool) -> JoinOrder:
        """How another machine becomes a worker; with `rotate`, what was said before is good for nothing."""
        raise NotImplementedError
