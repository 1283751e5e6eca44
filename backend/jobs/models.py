"""A job: accepted work. Its row is written with the change that asked for it and is the outbox."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, now


class JobState(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


OPEN = (JobState.QUEUED, JobState.RUNNING)
_OPEN_SQL = "state IN ('queued', 'running')"


class Job(Base):
    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("state IN ('queued','running','succeeded','failed','cancelled')", name="state"),
        CheckConstraint("progress BETWEEN 0 AND 100", name="progress"),
        # What is done to a service is done one after another.
        Index(
            "uq_jobs_running_service", "service_id", unique=True, postgresql_where=text("state = 'running'")
        ),
        Index("ix_jobs_project_created", "project_id", "created_at", "id"),
        Index("ix_jobs_created", "created_at", "id"),
        Index("ix_jobs_service_created", "service_id", "created_at", "id"),
        Index("ix_jobs_deployment_id", "deployment_id"),
        Index("ix_jobs_open", "state", "run_at", postgresql_where=text(_OPEN_SQL)),
        Index("ix_jobs_failed_created", "created_at", "id", postgresql_where=text("state = 'failed'")),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    service_id: Mapped[UUID | None] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    deployment_id: Mapped[UUID | None] = mapped_column(ForeignKey("deployments.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(40))
    queue: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(12), default=JobState.QUEUED)
    step: Mapped[str | None] = mapped_column(String(40))
    progress: Mapped[int] = mapped_column(SmallInteger, default=0)
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    error_code: Mapped[str | None] = mapped_column(String(60))
    error_message: Mapped[str | None] = mapped_column(String(2000))
    error_parameters: Mapped[dict[str, str | int] | None] = mapped_column(JSONB(none_as_null=True))
    cancel_requested_at: Mapped[datetime | None]
    run_at: Mapped[datetime] = mapped_column(default=now)
    """Not before: the back-off of a retry, instead of a broker's ETA."""
    published_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    """A running job whose lease ran out lost its worker; the relay queues it again."""
    fence: Mapped[int] = mapped_column(default=0)
    """Grows with each claim, so that a worker that was thought dead can write no more."""
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class IdempotencyKey(Base):
    """The first answer to a POST, given again for the same key (draft-ietf-httpapi-idempotency-key)."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        UniqueConstraint("user_id", "key"),
        Index("ix_idempotency_keys_created_at", "created_at"),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(64))
    """SHA-256 of method, path and body."""
    status: Mapped[int | None] = mapped_column(SmallInteger)
    location: Mapped[str | None] = mapped_column(String(200))
    body: Mapped[Any | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(default=now)
