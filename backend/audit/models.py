"""The trail: rows that the database lets nobody change."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, now


class AuditEvent(Base):
    """No foreign keys: what happened stays, whatever becomes of those it happened to (ADR 0011)."""

    __tablename__ = "audit_events"
    __table_args__ = (
        # One for each filter, in the order of the list.
        Index(None, "created_at", "id"),
        Index(None, "action", "created_at", "id"),
        Index(None, "result", "created_at", "id"),
        *(
            Index(None, column, "created_at", "id", postgresql_where=text(f"{column} IS NOT NULL"))
            for column in ("project_id", "user_id", "acting_id", "object_type", "object_id", "address")
        ),
    )

    id: Mapped[Id]
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    action: Mapped[str] = mapped_column(String(60))
    result: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[UUID | None]
    acting_id: Mapped[UUID | None]
    client_id: Mapped[str | None] = mapped_column(String(64))
    session_id: Mapped[UUID | None]
    address: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(400))
    request_id: Mapped[str | None] = mapped_column(String(64))
    project_id: Mapped[UUID | None]
    object_type: Mapped[str | None] = mapped_column(String(40))
    object_id: Mapped[str | None] = mapped_column(String(64))
    object_name: Mapped[str | None] = mapped_column(String(200))
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
