"""What goes in and out about nodes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from backend.services.schemas import Payload

MOST_LABELS = 20
EXAMPLE = "sintb3100h58waj0zdd0nxvyt"
LabelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$")]
LabelValue = Annotated[str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9._-]*$")]
AvailabilityName = Literal["active", "pause", "drain"]


class AvailabilityIn(Payload):
    model_config = ConfigDict(json_schema_extra={"examples": [{"availability": "drain"}]})

    availability: AvailabilityName = Field(
        description="`pause` takes nothing new; `drain` has what is there moved to other nodes."
    )
    accept_standstill: StrictBool = Field(
        False, description="Drain although services stand still then, because their volumes are on this node."
    )


class LabelsIn(Payload):
    model_config = ConfigDict(json_schema_extra={"examples": [{"labels": {"disk": "ssd"}}]})

    labels: dict[LabelName, LabelValue] = Field(
        max_length=MOST_LABELS, description="All labels; the others go."
    )


class JoinOrderIn(Payload):
    model_config = ConfigDict(json_schema_extra={"examples": [{"rotate": False}]})

    rotate: StrictBool = Field(
        False, description="Make a new token; those shown before let nobody in any more."
    )


class JoinOrderView(BaseModel):
    command: str = Field(
        description="For a shell on the new machine, as root. It holds a secret.",
        examples=["docker swarm join --token SWMTKN-1-… 10.0.0.1:2377"],
    )


class DiskView(BaseModel):
    total_bytes: int = Field(examples=[107374182400])
    free_bytes: int = Field(examples=[53687091200])


class DrainView(BaseModel):
    state: Literal["moving", "drained", "ended"]
    units: int = Field(description="How many were there at the beginning.")
    moved: int = Field(description="How many of them run elsewhere, or are not wanted any more.")
    started_at: datetime
    finished_at: datetime | None


class NodeView(BaseModel):
    id: str = Field(examples=[EXAMPLE])
    name: str = Field(examples=["node-1"])
    state: str = Field(description="As the swarm says it: `ready`, `down`, `unknown`, `disconnected`.")
    why: str = Field(description="What the swarm says of a state that is not `ready`.")
    availability: AvailabilityName
    role: Literal["manager", "worker"]
    leader: bool = Field(examples=[True])
    here: bool = Field(description="Whether the panel's own Docker is this one.")
    address: str = Field(examples=["10.0.0.1"])
    architecture: str = Field(examples=["x86_64"])
    version: str = Field(description="Of Docker.", examples=["26.1.5"])
    cpu_millis: int = Field(description="Thousandths of a core.", examples=[4000])
    memory_bytes: int = Field(examples=[8589934592])
    sold_cpu_millis: int = Field(description="The sum of the limits of the units that are there.")
    sold_memory_bytes: int = Field(examples=[4294967296])
    units: int = Field(description="Of customers' services.")
    volumes: int = Field(examples=[2])
    labels: dict[str, str] = Field(examples=[{"disk": "ssd"}])
    disk: DiskView | None = Field(description="Null for nodes other than the panel's own.")
    image_bytes: int | None = Field(description="Taken by customers' images; null as `disk`.")
    drain: DrainView | None = Field(description="The last time that it was emptied.")


class PlacedService(BaseModel):
    id: UUID
    name: str = Field(examples=["data"])
    project_id: UUID
    project_name: str = Field(examples=["Harbour"])


class PlacedUnitView(BaseModel):
    service: PlacedService | None = Field(description="Null for one that is about to be removed.")
    process: str = Field(examples=["web"])
    replica: int = Field(examples=[1])
    running: bool = Field(examples=[True])
    memory_bytes: int = Field(examples=[8589934592])
    cpu_millis: int = Field(examples=[500])


class NodeVolumeView(BaseModel):
    id: UUID
    name: str = Field(examples=["data"])
    service: PlacedService
    size_bytes: int = Field(examples=[1073741824])
    used_bytes: int | None = Field(examples=[268435456])


class WaitingView(BaseModel):
    service: PlacedService | None
    process: str = Field(examples=["web"])
    replica: int = Field(examples=[1])
    node: str | None = Field(
        description="Name of the node on which its data lies, and which does not take it."
    )
    why: str = Field(description="The swarm's own words.")


class NodesView(BaseModel):
    supported: bool = Field(
        description="False where the engine has no nodes: everything runs on one machine."
    )
    registry: str | None = Field(
        description="From which nodes fetch images; without one everything runs where it was built."
    )
    nodes: list[NodeView]
    waiting: list[WaitingView] = Field(description="Units that no node takes.")


class NodeDetail(NodeView):
    placed: list[PlacedUnitView]
    pinned: list[NodeVolumeView] = Field(description="Volumes here: what mounts them runs nowhere else.")
