"""Letters to be sent: rows written with the change that they tell of."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, now


class Letter(Base):
    """`content` is the sealed JSON of the template's values: it may hold codes and links that open doors."""

    __tablename__ = "letters"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'sending', 'sent', 'failed')", name="state"),
        Index(None, "created_at", "id"),
        Index("ix_letters_due", "due_at", postgresql_where=text("state IN ('queued', 'sending')")),
        Index(None, "user_id"),
    )

    id: Mapped[Id]
    template: Mapped[str] = mapped_column(String(60))
    locale: Mapped[str] = mapped_column(String(8))
    recipient: Mapped[str] = mapped_column(String(254))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    content: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20), default="queued", server_default="queued")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    due_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    error: Mapped[str | None] = mapped_column(String(400))
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    sent_at: Mapped[datetime | None]
