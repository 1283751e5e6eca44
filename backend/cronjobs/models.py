"""A cron job of a service, its runs, and what they printed."""

from __future__ import annotations

import enum
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, Timestamps, now


class Overlap(enum.StrEnum):
    """What becomes of a time that comes while a run of the job is still open."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"


class RunState(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    LOST = "lost"
    """It began, and nobody can tell any more how it ended."""

    @property
    def final(self) -> bool:
        return self not in OPEN_RUNS


OPEN_RUNS = (RunState.QUEUED, RunState.RUNNING)
_OPEN_SQL = "state IN ('queued', 'running')"


class CronJob(Timestamps, Base):
    __tablename__ = "cron_jobs"
    __table_args__ = (
        CheckConstraint("overlap IN ('skip','queue','replace')", name="overlap"),
        CheckConstraint("timeout_seconds > 0", name="timeout"),
        UniqueConstraint("service_id", "name"),
        Index(None, "service_id", "created_at", "id"),
        Index("ix_cron_jobs_due", "next_run_at", postgresql_where=text("next_run_at IS NOT NULL")),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(60))
    schedule: Mapped[str] = mapped_column(String(100))
    time_zone: Mapped[str] = mapped_column(String(64))
    command: Mapped[str] = mapped_column(String(4000))
    overlap: Mapped[str] = mapped_column(String(8), default=Overlap.SKIP)
    timeout_seconds: Mapped[int]
    enabled: Mapped[bool] = mapped_column(default=True)
    catch_up: Mapped[bool] = mapped_column(default=False)
    """Whether the newest of the times that were missed is made up for."""
    notify: Mapped[bool] = mapped_column(default=True)
    """Whether a letter tells of it when it keeps failing."""
    failures: Mapped[int] = mapped_column(Integer, default=0)
    """In a row, of its latest runs."""
    next_run_at: Mapped[datetime | None]
    """None while it is disabled, or has no next time."""


class CronRun(Base):
    __tablename__ = "cron_runs"
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued','running','succeeded','failed','skipped','cancelled','lost')", name="state"
        ),
        CheckConstraint("(trigger = 'manual') = (scheduled_for IS NULL)", name="trigger"),
        # One time is run once, whoever claims it.
        UniqueConstraint("cron_job_id", "scheduled_for"),
        Index("uq_cron_runs_running", "cron_job_id", unique=True, postgresql_where=text("state = 'running'")),
        Index(None, "cron_job_id", "created_at", "id"),
        Index("ix_cron_runs_open", "created_at", "id", postgresql_where=text(_OPEN_SQL)),
        Index(None, "created_at"),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    cron_job_id: Mapped[UUID] = mapped_column(ForeignKey("cron_jobs.id", ondelete="CASCADE"))
    trigger: Mapped[str] = mapped_column(String(10))
    """`schedule` or `manual`."""
    scheduled_for: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(10), default=RunState.QUEUED)
    command: Mapped[str] = mapped_column(String(4000))
    timeout_seconds: Mapped[int]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    """Who ran it by hand."""
    deployment_id: Mapped[UUID | None] = mapped_column(ForeignKey("deployments.id", ondelete="SET NULL"))
    """The release that it ran in: the one that was live when it began."""
    job_id: Mapped[UUID | None]
    """The job that does it; none while it waits for its turn."""
    exit_code: Mapped[int | None]
    reason_code: Mapped[str | None] = mapped_column(String(60))
    reason: Mapped[str | None] = mapped_column(String(2000))
    reason_parameters: Mapped[dict[str, str | int] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class CronRunLine(Base):
    __tablename__ = "cron_run_lines"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("cron_runs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now)
    text: Mapped[str] = mapped_column(Text)
