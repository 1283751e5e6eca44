"""Jobs as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import any_, select

from backend.dao.base import AnySelect
from backend.dao.listing import Listing, Sort, moment
from backend.jobs.models import Job, JobState
from backend.jobs.queue import CANCELLABLE_WHILE_RUNNING, NOBODYS
from backend.services.models import Service

ReasonParameters = Annotated[
    dict[str, str | int] | None,
    Field(
        description="What it takes to say the reason in another language: `detail` tells the sentences of a "
        "code apart, `because` names a second one, `output` is what the app printed last; others are values.",
        examples=[{"because": "exit_137", "exit_status": 137}],
    ),
]
JobStateName = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class JobError(BaseModel):
    code: str = Field(description="Stable, for programs.", examples=["build_failed"])
    message: str = Field(description="The reason in English.")
    parameters: ReasonParameters


class JobService(BaseModel):
    id: UUID
    name: str = Field(examples=["hello"])


class JobView(BaseModel):
    id: UUID
    project_id: UUID
    kind: str = Field(examples=["service.deploy"])
    state: JobStateName
    step: str | None = Field(examples=["building"])
    progress: int = Field(ge=0, le=100, description="Percent.")
    attempts: int = Field(description="Starts, those after an interruption included.", examples=[1])
    cancellable: bool = Field(description="Whether `POST …/cancel` would be accepted now.")
    cancel_requested: bool = Field(description="It was called off and ends as soon as it can.")
    error: JobError | None
    service: JobService | None
    deployment_id: UUID | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


_PLAIN = (
    "id",
    "project_id",
    "kind",
    "state",
    "step",
    "progress",
    "attempts",
    "deployment_id",
    "created_at",
    "started_at",
    "finished_at",
)


def select_jobs() -> AnySelect:
    return select(
        *(getattr(Job, name) for name in _PLAIN),
        Job.error_code,
        Job.error_message,
        Job.error_parameters,
        Job.cancel_requested_at,
        Job.service_id,
        Service.name.label("service_name"),
    ).outerjoin(Service, Service.id == Job.service_id)


def shape_job(row: Mapping[str, Any]) -> dict[str, Any]:
    shaped = {name: row[name] for name in _PLAIN}
    requested = row["cancel_requested_at"] is not None
    shaped["cancel_requested"] = requested
    shaped["cancellable"] = _cancellable(row) and not requested
    code = row["error_code"]
    shaped["error"] = code and {
        "code": code,
        "message": row["error_message"],
        "parameters": row["error_parameters"],
    }
    service_id = row["service_id"]
    shaped["service"] = service_id and {"id": service_id, "name": row["service_name"]}
    return shaped


def _cancellable(row: Mapping[str, Any]) -> bool:
    if JobState(row["state"]).final or row["kind"] in NOBODYS or row["progress"] == 100:
        return False
    fresh = row["state"] == JobState.QUEUED and row["attempts"] == 0
    return fresh or row["kind"] in CANCELLABLE_WHILE_RUNNING


# Cron runs have a list of their own, and would hide all else in this one.
JOBS = Listing(
    select_jobs().where(Job.kind != "cron.run"),
    id_column=Job.id,
    filters={
        "project_ids": lambda values: Job.project_id == any_(values),
        "project_id": lambda value: Job.project_id == value,
        "service_id": lambda value: Job.service_id == value,
        "state": lambda value: Job.state == value,
        "kind": lambda value: Job.kind == value,
    },
    sorts={"created_at": Sort(Job.created_at, moment)},
    shape=shape_job,
)


def job_of(job_id: UUID) -> AnySelect:
    return select_jobs().where(Job.id == job_id)
