"""One run of a periodic task of billing."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import CheckConstraint, Index, SmallInteger, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, now


class RunState(enum.StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Its worker fell silent; the run after it went on where it had come to."""


class BillingRun(Base):
    __tablename__ = "billing_runs"
    __table_args__ = (
        CheckConstraint("state IN ('running','succeeded','failed','interrupted')", name="state"),
        CheckConstraint("progress BETWEEN 0 AND 100", name="progress"),
        # Two of a kind would do the same work.
        Index("uq_billing_runs_running", "kind", unique=True, postgresql_where=text("state = 'running'")),
        Index(None, "started_at", "id"),
        Index(None, "kind", "started_at", "id"),
        Index(None, "state", "started_at", "id"),
    )

    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(String(20))
    period: Mapped[str | None] = mapped_column(String(40))
    """What it was for, if it is for a period: `2026-11`."""
    state: Mapped[str] = mapped_column(String(12), default=RunState.RUNNING)
    progress: Mapped[int] = mapped_column(SmallInteger, default=0)
    step: Mapped[str | None] = mapped_column(String(40))
    counts: Mapped[dict[str, int]] = mapped_column(JSONB, default=dict, server_default="{}")
    error: Mapped[str | None] = mapped_column(String(500))
    started_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    """When it last said how far it is."""
    finished_at: Mapped[datetime | None]
