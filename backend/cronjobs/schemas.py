"""What goes in and out about cron jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt

from backend.jobs.views import ReasonParameters
from backend.services.log_schemas import DeploymentLogLineView
from backend.services.schemas import Payload, ReleaseName, one_command

OverlapName = Literal["skip", "queue", "replace"]
RunStateName = Literal["queued", "running", "succeeded", "failed", "skipped", "cancelled", "lost"]
EXAMPLE: dict[str, Any] = {
    "name": "Nightly report",
    "schedule": "30 3 * * *",
    "time_zone": "Europe/Berlin",
    "command": "python manage.py report",
}


def _one_line(value: str) -> str:
    if not value.isprintable() or not value.strip():
        raise ValueError("must be one line without control characters")
    return value.strip()


def _some_command(value: str) -> str:
    if not (stripped := one_command(value)):
        raise ValueError("must not be empty")
    return stripped


JobName = Annotated[
    str,
    Field(min_length=1, max_length=60, description="Unique in the service."),
    AfterValidator(_one_line),
]
Expression = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="Five fields: minute, hour, day of the month, month, day of the week.",
        examples=["30 3 * * *"],
    ),
    AfterValidator(_one_line),
]
ZoneName = Annotated[
    str, Field(min_length=1, max_length=64, description="Of the IANA database.", examples=["Europe/Berlin"])
]
Command = Annotated[
    str,
    Field(
        min_length=1,
        max_length=4000,
        description="For the shell, in the build of the live release and with its variables.",
        examples=["python manage.py report"],
    ),
    AfterValidator(_some_command),
]
OverlapField = Field(
    description="What becomes of a time that comes while a run is still open: it is passed over, waits, or"
    " takes the run's place."
)
TimeoutField = Field(ge=1, le=86400, description="Seconds after which a run is ended.", examples=[3600])
EnabledField = Field(description="Whether it runs by itself.")
CatchUpField = Field(
    description="Whether the newest of the times that were missed, as while the panel was down, is run yet."
)
NotifyField = Field(description="Whether a letter says so once when three runs in a row have failed.")


class CronJobIn(Payload):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    name: JobName
    schedule: Expression
    time_zone: ZoneName = "UTC"
    command: Command
    overlap: Annotated[OverlapName, OverlapField] = "skip"
    timeout_seconds: Annotated[StrictInt, TimeoutField] = 3600
    enabled: Annotated[StrictBool, EnabledField] = True
    catch_up: Annotated[StrictBool, CatchUpField] = False
    notify: Annotated[StrictBool, NotifyField] = True


class CronJobPatch(Payload):
    """Only what is given is changed, from the next run on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"enabled": False}]})

    # The defaults are never read; as factories they stay out of the document, and null is refused.
    name: JobName = Field(default_factory=str)
    schedule: Expression = Field(default_factory=str)
    time_zone: ZoneName = Field(default_factory=str)
    command: Command = Field(default_factory=str)
    overlap: Annotated[OverlapName, OverlapField] = Field(default_factory=lambda: "skip")
    timeout_seconds: Annotated[StrictInt, TimeoutField] = Field(default_factory=int)
    enabled: Annotated[StrictBool, EnabledField] = Field(default_factory=bool)
    catch_up: Annotated[StrictBool, CatchUpField] = Field(default_factory=bool)
    notify: Annotated[StrictBool, NotifyField] = Field(default_factory=bool)


class RunSummary(BaseModel):
    id: UUID
    state: RunStateName
    created_at: datetime
    finished_at: datetime | None


class CronJobView(BaseModel):
    id: UUID
    project_id: UUID
    service_id: UUID
    name: str = Field(examples=[EXAMPLE["name"]])
    schedule: str = Field(examples=[EXAMPLE["schedule"]])
    time_zone: str = Field(examples=[EXAMPLE["time_zone"]])
    command: str = Field(examples=[EXAMPLE["command"]])
    overlap: Annotated[OverlapName, OverlapField]
    timeout_seconds: int = Field(examples=[3600])
    enabled: Annotated[bool, EnabledField]
    catch_up: Annotated[bool, CatchUpField]
    notify: Annotated[bool, NotifyField]
    failures: int = Field(description="In a row, of its latest runs.", examples=[0])
    next_run_at: datetime | None = Field(
        description="If the service runs then. Null while the job is disabled."
    )
    last_run: RunSummary | None
    created_at: datetime
    updated_at: datetime


class CronRunView(BaseModel):
    id: UUID
    cron_job_id: UUID
    service_id: UUID
    trigger: Literal["schedule", "manual"]
    scheduled_for: datetime | None = Field(description="The time that it was due; null for one by hand.")
    state: RunStateName = Field(description="`lost`: it began, and nobody can tell any more how it ended.")
    command: str = Field(examples=[EXAMPLE["command"]])
    timeout_seconds: int = Field(examples=[3600])
    release: ReleaseName | None = Field(description="In which it ran.")
    exit_code: int | None = Field(examples=[0])
    reason_code: str | None = Field(examples=["task_failed"])
    reason: str | None = Field(description="Why it did not go well, in English.")
    reason_parameters: ReasonParameters
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class CronRunLog(BaseModel):
    lines: list[DeploymentLogLineView]
    next: int = Field(description="Pass it as `after` for what comes later.")
    finished: bool = Field(description="The run is over and this is its last line.")


class CronTimes(BaseModel):
    """When a schedule would come next."""

    times: list[datetime]
