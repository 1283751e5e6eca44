"""What happens when money runs out: the rules, exceptions from them, how far each project is."""

from __future__ import annotations

import enum
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, false, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Timestamps, now


class Stage(enum.StrEnum):
    OK = "ok"
    WARNED = "warned"
    """It will run out within days."""
    GRACE = "grace"
    """It ran out, and the services still run."""
    SUSPENDED = "suspended"
    """The services that cost money stand still; their data stays."""
    TERMINATED = "terminated"
    """They are deleted, or being deleted."""


class DunningRules(Base):
    """The operator's, in one row. Without it those of `backend.billing.dunning.rules.DEFAULT` hold."""

    __tablename__ = "dunning_rules"
    __table_args__ = (
        CheckConstraint("id = 1", name="only"),
        CheckConstraint("grace_days >= 0 AND terminate_days > 0", name="days"),
    )

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False, default=1)
    warn_days: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    grace_days: Mapped[int] = mapped_column(SmallInteger)
    terminate_days: Mapped[int | None] = mapped_column(SmallInteger)
    """Days of suspension after which services are deleted; null is never."""
    notice_days: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class DunningOverride(Timestamps, Base):
    """What an administrator decided for one project; what is null is as the rules say."""

    __tablename__ = "dunning_overrides"
    __table_args__ = (CheckConstraint("grace_days >= 0 AND terminate_days > 0", name="days"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    never_suspend: Mapped[bool] = mapped_column(default=False, server_default=false())
    never_terminate: Mapped[bool] = mapped_column(default=False, server_default=false())
    grace_days: Mapped[int | None] = mapped_column(SmallInteger)
    terminate_days: Mapped[int | None] = mapped_column(SmallInteger)
    until: Mapped[datetime | None]
    """From then on the rules hold again."""
    reason: Mapped[str] = mapped_column(String(500))
    set_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))


class DunningState(Base):
    """How far a project is; one that never was in trouble has no row."""

    __tablename__ = "dunning_states"
    __table_args__ = (
        CheckConstraint("stage IN ('ok','warned','grace','suspended','terminated')", name="stage"),
        Index("ix_dunning_states_trouble", "since", "project_id", postgresql_where=text("stage <> 'ok'")),
        Index("ix_dunning_states_stage_since", "stage", "since", "project_id"),
        Index(None, "since", "project_id"),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(12), default=Stage.OK)
    since: Mapped[datetime] = mapped_column(default=now)
    warned_days: Mapped[int | None] = mapped_column(SmallInteger)
    """Of the warnings: for how many days of remaining run time the last one was."""
    noticed_days: Mapped[int | None] = mapped_column(SmallInteger)
    """Of the notices of termination: how many days before it the last one was."""
    noticed_at: Mapped[datetime | None]
    next_at: Mapped[datetime | None]
    """When the next step comes if nothing is paid: suspension in grace, termination in suspension."""
