"""A console: first a ticket, then a terminal, then the record of one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, now


class Console(Base):
    __tablename__ = "consoles"
    __table_args__ = (
        CheckConstraint("closed_at IS NULL OR opened_at IS NOT NULL", name="opened"),
        Index(
            "ix_consoles_open",
            "user_id",
            postgresql_where=text("opened_at IS NOT NULL AND closed_at IS NULL"),
        ),
        Index("ix_consoles_created", "created_at"),
        Index("ix_consoles_service", "service_id"),
    )

    id: Mapped[Id]
    ticket_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    deployment_id: Mapped[UUID]
    process: Mapped[str] = mapped_column(String(40))
    replica: Mapped[int] = mapped_column(SmallInteger)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    session_id: Mapped[UUID]
    """It ends with the session that asked for it."""
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    """Until when the ticket is good."""
    opened_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    """When the process that serves it last said so: one that was killed cannot say that it ended."""
    closed_at: Mapped[datetime | None]
    ended: Mapped[str | None] = mapped_column(String(20))
    """Why."""
