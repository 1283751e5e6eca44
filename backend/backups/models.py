"""A backup of a volume, how a service wants them, and its way back."""

from __future__ import annotations

import enum
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    cast,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, Timestamps, now


class BackupState(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    STORED = "stored"
    """It lies at its target; nobody has shown yet that it can be brought back."""
    VERIFIED = "verified"
    UNVERIFIABLE = "unverifiable"
    """It lies there, and the test found that it does not hold what was copied."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    REMOVING = "removing"


class RestoreState(enum.StrEnum):
    QUEUED = "queued"
    PREPARING = "preparing"
    """The volume is untouched so far."""
    SWAPPING = "swapping"
    """Its content is being replaced; what it was lies aside."""
    RETURNING = "returning"
    """What it was is being put back."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_BACKUPS = (BackupState.QUEUED, BackupState.RUNNING)
KEPT = (BackupState.STORED, BackupState.VERIFIED, BackupState.UNVERIFIABLE)
OPEN_RESTORES = (
    RestoreState.QUEUED,
    RestoreState.PREPARING,
    RestoreState.SWAPPING,
    RestoreState.RETURNING,
)
_OPEN_SQL = "state IN ('queued', 'running')"
_OPEN_RESTORE_SQL = "state IN ('queued', 'preparing', 'swapping', 'returning')"


class Backup(Base):
    """One volume at one time. The row outlives volume and service, and goes after its object."""

    __tablename__ = "backups"
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued','running','stored','verified','unverifiable',"
            "'failed','cancelled','removing')",
            name="state",
        ),
        CheckConstraint("(trigger = 'manual') = (scheduled_for IS NULL)", name="trigger"),
        # One time is made once, whoever claims it.
        UniqueConstraint("volume_id", "scheduled_for"),
        Index("uq_backups_open", "volume_id", unique=True, postgresql_where=text(_OPEN_SQL)),
        Index(None, "service_id", "created_at", "id"),
        Index(None, "project_id"),
        Index("ix_backups_removing", "id", postgresql_where=text("state = 'removing'")),
        Index("ix_backups_expires", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        Index("ix_backups_scratch", "id", postgresql_where=text("scratch")),
        Index(None, "created_at"),
        Index(None, "state", "created_at", "id"),
        Index(None, "job_id"),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="RESTRICT"))
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="RESTRICT"))
    volume_id: Mapped[UUID]
    volume_name: Mapped[str] = mapped_column(String(40))
    volume_bytes: Mapped[int] = mapped_column(BigInteger)
    trigger: Mapped[str] = mapped_column(String(10))
    """`schedule` or `manual`."""
    scheduled_for: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(14), default=BackupState.QUEUED)
    stopped: Mapped[bool] = mapped_column(default=False)
    """Whether the app stood still while it was copied."""
    command: Mapped[str] = mapped_column(String(4000), default="")
    """What is run in the release before."""
    target: Mapped[str] = mapped_column(String(10))
    """`directory` or `s3`."""
    object_key: Mapped[str] = mapped_column(String(300))
    stored_bytes: Mapped[int | None] = mapped_column(BigInteger)
    content_bytes: Mapped[int | None] = mapped_column(BigInteger)
    entries: Mapped[int | None] = mapped_column(BigInteger)
    manifest: Mapped[str | None] = mapped_column(String(64))
    checksum: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of the object as it is stored."""
    scratch: Mapped[bool] = mapped_column(default=False)
    """Whether a volume for its test may be there."""
    reason_code: Mapped[str | None] = mapped_column(String(60))
    reason: Mapped[str | None] = mapped_column(String(2000))
    reason_parameters: Mapped[dict[str, str | int] | None] = mapped_column(JSONB(none_as_null=True))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    job_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    """Set when its service is deleted."""


class BackupPlan(Timestamps, Base):
    """How a service wants its backups; without a row only by hand, while it runs."""

    __tablename__ = "backup_plans"
    __table_args__ = (
        CheckConstraint(
            "keep_last >= 1 AND keep_daily >= 0 AND keep_weekly >= 0 AND keep_monthly >= 0", name="keep"
        ),
        Index("ix_backup_plans_due", "next_run_at", postgresql_where=text("next_run_at IS NOT NULL")),
    )

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    schedule: Mapped[str] = mapped_column(String(100))
    time_zone: Mapped[str] = mapped_column(String(64))
    enabled: Mapped[bool]
    stop_app: Mapped[bool]
    command: Mapped[str] = mapped_column(String(4000))
    keep_last: Mapped[int]
    keep_daily: Mapped[int]
    keep_weekly: Mapped[int]
    keep_monthly: Mapped[int]
    failures: Mapped[int] = mapped_column(Integer, default=0)
    """Scheduled ones in a row."""
    next_run_at: Mapped[datetime | None]


class Restore(Base):
    """A backup on its way into a volume."""

    __tablename__ = "backup_restores"
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued','preparing','swapping','returning','succeeded','failed','cancelled')",
            name="state",
        ),
        Index("uq_backup_restores_open", "volume_id", unique=True, postgresql_where=text(_OPEN_RESTORE_SQL)),
        Index(None, "service_id", "created_at", "id"),
        Index(None, "backup_id"),
        Index("ix_backup_restores_scratch", "id", postgresql_where=text("scratch")),
        Index(None, "job_id"),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    """Whose volume is replaced."""
    volume_id: Mapped[UUID]
    volume_name: Mapped[str] = mapped_column(String(40))
    backup_id: Mapped[UUID] = mapped_column(ForeignKey("backups.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(10), default=RestoreState.QUEUED)
    scratch: Mapped[bool] = mapped_column(default=False)
    reason_code: Mapped[str | None] = mapped_column(String(60))
    reason: Mapped[str | None] = mapped_column(String(2000))
    reason_parameters: Mapped[dict[str, str | int] | None] = mapped_column(JSONB(none_as_null=True))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    job_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]


STORED_GIB = (
    select(
        Backup.service_id,
        cast(func.ceil(func.coalesce(func.sum(Backup.stored_bytes), 0) / float(2**30)), Integer),
    )
    .where(Backup.state.in_(KEPT))
    .group_by(Backup.service_id)
)
"""Services and the GiB that their backups take, rounded up in all: what the meter `backup` counts."""
