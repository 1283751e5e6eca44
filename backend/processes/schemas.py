"""What the API takes and gives about the processes of a service."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, model_validator

from backend.engines.scale import RELEASE
from backend.jobs.views import ReasonParameters
from backend.services.schemas import one_command
from backend.sources.schemas import Payload

RestartName = Literal["always", "on-failure", "never"]


def _no_release(name: str) -> str:
    if name == RELEASE:
        raise ValueError("is the command that runs before a release starts, not a process")
    return name


ProcessName = Annotated[
    str,
    Field(
        max_length=30,
        pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,29}$",
        description="`web` is the process that visitors are led to.",
        examples=["worker"],
    ),
]
Command = Annotated[
    str,
    Field(
        max_length=4000,
        description="Instead of what the source says, from the next deployment on.",
        examples=["celery -A app worker"],
    ),
    AfterValidator(one_command),
]
Replicas = Annotated[
    int, Field(ge=0, le=1000, strict=True, description="How many units of it run.", examples=[3])
]


class ProcessIn(Payload):
    name: Annotated[ProcessName, AfterValidator(_no_release)]
    replicas: Replicas
    command: Command | None = None


class ProcessesIn(Payload):
    model_config = Payload.model_config | {
        "json_schema_extra": {
            "examples": [
                {"restart_policy": "always", "processes": [{"name": "web", "replicas": 2, "command": None}]}
            ]
        }
    }

    restart_policy: RestartName | None = Field(
        default=None, description="From the next deployment on; without it, it stays."
    )
    processes: list[ProcessIn] = Field(
        max_length=21, description="All of them: one that is left out runs once if it is `web`, else not."
    )

    @model_validator(mode="after")
    def _named_once(self) -> ProcessesIn:
        names = [process.name for process in self.processes]
        if len(names) != len(set(names)):
            raise ValueError("a process is named twice")
        return self


class UnitView(BaseModel):
    name: str = Field(examples=["web.1"])
    replica: int = Field(description="Which of the process's units, from 1 on.")
    state: Literal["starting", "running", "backoff", "exited", "stopped", "fatal"]
    listening: bool | None = Field(description="Of `web`: whether it listens on its port.")
    started_at: datetime | None
    reason: str | None = Field(description="Why it does not run, in English.")
    reason_code: str | None = Field(examples=["unit_exited"])
    reason_parameters: ReasonParameters


class ProcessView(BaseModel):
    name: str = Field(examples=["web"])
    replicas: int = Field(description="How many of it shall run.")
    command: str | None = Field(description="Its owner's own, in place of the source's.")
    found_command: str | None = Field(description="What the source of the live release says.")
    units: list[UnitView]


class Bounds(BaseModel):
    per_process: int = Field(description="The most units of one process.")
    per_service: int = Field(description="The most units of all processes together.")
    web: int = Field(description="Of `web`; one where the service has volumes.")


class ProcessesView(BaseModel):
    restart_policy: RestartName
    bounds: Bounds
    plan_units: int = Field(description="How many units shall run together: each costs the plan once.")
    units_known: bool = Field(description="False while the engine does not say what runs.")
    processes: list[ProcessView]


class ProcessesChanged(ProcessesView):
    job_id: UUID | None = Field(description="Of the job that scales what runs; null if nothing has to.")
