"""What the API takes and gives about backups."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from backend.sources.schemas import Payload

BackupStateName = Literal["queued", "running", "stored", "verified", "unverifiable", "failed", "cancelled"]
RestoreStateName = Literal["queued", "preparing", "swapping", "returning", "succeeded", "failed", "cancelled"]
Count = Annotated[int, Field(ge=0, le=100, strict=True)]


class BackupIn(Payload):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"volume_id": "0197a2c4-0000-7000-8000-000000000001"}]},
    )

    volume_id: UUID = Field(description="Of the service.")


class RestoreIn(Payload):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "backup_id": "0197a2c4-0000-7000-8000-000000000002",
                    "volume_id": "0197a2c4-0000-7000-8000-000000000001",
                    "name": "data",
                }
            ]
        },
    )

    backup_id: UUID = Field(description="Of this project, also of another service.")
    volume_id: UUID = Field(description="Of the service; all that is in it is replaced.")
    name: Annotated[str, Field(max_length=200, description="Of the volume, to show that it is meant.")]


class BackupPlanIn(Payload):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"schedule": "0 3 * * *", "time_zone": "UTC", "enabled": True}]},
    )

    schedule: Annotated[str, Field(max_length=200, description="As in cron.", examples=["0 3 * * *"])]
    time_zone: Annotated[str, Field(max_length=64, examples=["Europe/Berlin"])] = "UTC"
    enabled: StrictBool = Field(default=True, examples=[True])
    stop_app: StrictBool = Field(
        default=False, description="Whether the app stands still while its data is copied; by hand, too."
    )
    command: Annotated[
        str,
        Field(
            max_length=4000,
            pattern=r"^[^\x00]*$",
            description="Run in the live release before, such as a dump into the volume.",
            examples=["pg_dumpall -f /data/dump.sql"],
        ),
    ] = ""
    keep_last: Annotated[int, Field(ge=1, le=100, strict=True, examples=[5])] = 3
    keep_daily: Count = Field(default=7, examples=[7])
    keep_weekly: Count = Field(default=4, examples=[4])
    keep_monthly: Count = Field(default=0, examples=[6])


class BackupPlanView(BaseModel):
    schedule: str = Field(examples=["0 3 * * *"])
    time_zone: str = Field(examples=["Europe/Berlin"])
    enabled: bool = Field(examples=[True])
    stop_app: bool = Field(description="Whether the app stands still while its data is copied.")
    command: str = Field(description="Run in the live release before each backup.")
    keep_last: int = Field(
        description="So many by schedule stay, and of more days, weeks and months one each."
    )
    keep_daily: int = Field(examples=[7])
    keep_weekly: int = Field(examples=[4])
    keep_monthly: int = Field(examples=[6])
    next_run_at: datetime | None
    failures: int = Field(description="Scheduled ones in a row.")
    available: bool = Field(description="Whether this installation has a place for backups.")
    kept_after_deletion_days: int = Field(description="How long they stay when the service is deleted.")


class BackedUpService(BaseModel):
    id: UUID
    name: str = Field(examples=["tide-tables"])
    deleted: bool = Field(description="Whether its backups have outlived it.")


class BackupView(BaseModel):
    id: UUID
    project_id: UUID
    service_id: UUID
    service: BackedUpService
    volume_id: UUID
    volume_name: str = Field(examples=["data"])
    trigger: Literal["schedule", "manual"]
    scheduled_for: datetime | None
    state: BackupStateName = Field(
        description="`verified`: it was brought back into a scratch volume, and nothing was missing. "
        "`stored`: that was not shown yet. `unverifiable`: the test showed that it is no good."
    )
    stopped: bool = Field(description="Whether the app stood still while it was copied.")
    stored_bytes: int | None = Field(description="As it is stored: compressed and encrypted.")
    content_bytes: int | None = Field(description="Of all files in it.")
    entries: int | None = Field(description="Files, folders and links.")
    checksum: str | None = Field(description="SHA-256 of what is stored.")
    reason_code: str | None = Field(examples=["target_unavailable"])
    reason: str | None = Field(description="Why it is not good, in English.")
    reason_parameters: dict[str, str | int] | None = Field(examples=[None])
    job_id: UUID | None = Field(description="That makes or tests it, or did.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None = Field(description="When it was stored.")
    verified_at: datetime | None
    expires_at: datetime | None = Field(description="When it goes, because its service was deleted.")


class AdminBackupView(BackupView):
    target: Literal["directory", "s3"] = Field(description="Where it went; what is set now may be another.")
    project_name: str = Field(examples=["Harbour office"])


class RestoreView(BaseModel):
    id: UUID
    service_id: UUID
    volume_id: UUID
    volume_name: str = Field(examples=["data"])
    backup_id: UUID
    state: RestoreStateName = Field(description="`returning`: what was there before is being put back.")
    reason_code: str | None = Field(examples=["target_unavailable"])
    reason: str | None = Field(examples=[None])
    reason_parameters: dict[str, str | int] | None = Field(examples=[None])
    job_id: UUID | None
    created_at: datetime
    finished_at: datetime | None


class Restores(BaseModel):
    items: list[RestoreView] = Field(description="The newest ten, newest first.")


class AcceptedBackup(BaseModel):
    job_id: UUID
    backup_id: UUID


class AcceptedRestore(BaseModel):
    job_id: UUID
    restore_id: UUID


class BackupsOverview(BaseModel):
    target: Literal["directory", "s3"] | None = Field(description="Null where none is set.")
    place: str | None = Field(description="The folder, or the address of the bucket.")
    problem: str | None = Field(description="Why the target cannot be written to now; a stable code.")
    free_bytes: int | None = Field(description="At the target, where that can be told.")
    second_key: bool = Field(
        description="Whether a key of the operator's opens them too, beside the master key."
    )
    kept: int = Field(description="Backups at the target.")
    verified: int = Field(description="Of them, those known to be good.")
    untested: int = Field(description="Of them, those whose test is not over, or could not be made.")
    damaged: int = Field(description="Of them, those that the test refuted.")
    failed: int = Field(description="That came to nothing, among those remembered.")
    failing_services: int = Field(description="Whose last backup by schedule came to nothing.")
    stored_bytes: int = Field(examples=[1048576])
    outlived_bytes: int = Field(description="Of them, of services that are deleted: nobody pays for those.")
    kept_after_deletion_days: int = Field(examples=[30])
    last_verified_at: datetime | None
    last_failed_at: datetime | None
