"""Letters and text messages to be sent: rows written with the change that they tell of."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, now


class LetterState(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    HELD = "held"
    """There is no server to give it to."""
    SENT = "sent"
    """The server took it; whether somebody reads it nobody knows."""
    FAILED = "failed"


class Letter(Base):
    """`content` is the sealed JSON of the template's values: it may hold codes and links that open doors.

    It is erased once the letter was sent, refused, or a day old.
    """

    __tablename__ = "letters"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'sending', 'held', 'sent', 'failed')", name="state"),
        CheckConstraint("channel IN ('email', 'sms')", name="channel"),
        Index(None, "created_at", "id"),
        Index(None, "state", "created_at", "id"),
        Index(None, "template", "created_at", "id"),
        Index(None, "channel", "created_at", "id"),
        Index("ix_letters_open", "state", "due_at", postgresql_where=text("content IS NOT NULL")),
        Index(None, "user_id"),
    )

    id: Mapped[Id]
    channel: Mapped[str] = mapped_column(String(8))
    template: Mapped[str] = mapped_column(String(60))
    locale: Mapped[str] = mapped_column(String(8))
    recipient: Mapped[str] = mapped_column(String(254))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    content: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20), default=LetterState.QUEUED, server_default="queued")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    """Each claim adds one, so it is the fence too: a sender whose number is past writes nothing."""
    due_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    published_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    subject: Mapped[str | None] = mapped_column(String(200))
    message_id: Mapped[str | None] = mapped_column(String(200))
    error_code: Mapped[str | None] = mapped_column(String(40))
    error: Mapped[str | None] = mapped_column(String(400))
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    sent_at: Mapped[datetime | None]
