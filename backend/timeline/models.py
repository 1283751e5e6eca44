"""Events of services: what was done to them, and what became of them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, SmallInteger, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, now


class ServiceEvent(Base):
    __tablename__ = "service_events"
    __table_args__ = (
        Index("ix_service_events_service_at", "service_id", "at", "id"),
        Index("ix_service_events_at", "at"),
        # However often the engine tells of an exit, it is one.
        Index(
            "uq_service_events_exit",
            "deployment_id",
            "process",
            "replica",
            "at",
            unique=True,
            postgresql_where=text("kind = 'exited'"),
        ),
    )

    id: Mapped[Id]
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(default=now)
    kind: Mapped[str] = mapped_column(String(30))
    """What the audit trail calls it without `service.`, or: live, failed, exited, crashed, recovered."""
    deployment_id: Mapped[UUID | None]
    process: Mapped[str | None] = mapped_column(String(40))
    replica: Mapped[int | None] = mapped_column(SmallInteger)
    reason_code: Mapped[str | None] = mapped_column(String(60))
    reason: Mapped[str | None] = mapped_column(String(2000))
    reason_parameters: Mapped[dict[str, str | int] | None] = mapped_column(JSONB(none_as_null=True))
