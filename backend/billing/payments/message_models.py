"""What came in from outside: messages of gateways, and lines of the operator's bank statements."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, now


class MessageState(StrEnum):
    RECEIVED = "received"
    APPLIED = "applied"
    IGNORED = "ignored"
    """Not a kind that says anything about money here."""
    UNKNOWN = "unknown"
    """About something that is not ours."""
    FAILED = "failed"


class LineState(StrEnum):
    MATCHED = "matched"
    UNMATCHED = "unmatched"
    IGNORED = "ignored"


class GatewayMessage(Base):
    """One verified call of a gateway, kept as it came."""

    __tablename__ = "gateway_messages"
    __table_args__ = (
        CheckConstraint("state IN ('received','applied','ignored','unknown','failed')", name="state"),
        Index("uq_gateway_messages_event", "gateway", "event_id", unique=True),
        Index(None, "received_at", "id"),
        Index(None, "state", "received_at", "id"),
        Index(None, "payment_id"),
        Index("ix_gateway_messages_due", "next_try_at", postgresql_where=text("state = 'received'")),
    )

    id: Mapped[Id]
    gateway: Mapped[str] = mapped_column(String(20))
    event_id: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(80))
    about: Mapped[str] = mapped_column(String(20))
    """What kind of thing it is about; see `gateways.base.About`."""
    ref: Mapped[str | None] = mapped_column(String(120))
    owner: Mapped[UUID | None]
    """The payment that the gateway says it belongs to; it is asked whether that is so."""
    body: Mapped[str] = mapped_column(Text)
    """Sealed: it may name people."""
    received_at: Mapped[datetime] = mapped_column(default=now)
    copies: Mapped[int] = mapped_column(Integer, default=1)
    state: Mapped[str] = mapped_column(String(10), default=MessageState.RECEIVED)
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    next_try_at: Mapped[datetime] = mapped_column(default=now)
    applied_at: Mapped[datetime | None]
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id", ondelete="SET NULL"))


class BankReference(Base):
    """What a project's people write on their transfers (ISO 11649)."""

    __tablename__ = "bank_references"

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    reference: Mapped[str] = mapped_column(String(25), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class BankLine(Base):
    """Money that arrived at the operator's bank."""

    __tablename__ = "bank_lines"
    __table_args__ = (
        CheckConstraint("state IN ('matched','unmatched','ignored')", name="state"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("(state = 'matched') = (payment_id IS NOT NULL)", name="payment"),
        Index(None, "imported_at", "id"),
        Index(None, "state", "imported_at", "id"),
        Index(None, "payment_id", unique=True),
    )

    id: Mapped[Id]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    """See `statements.digest_of`: the same line comes in once."""
    booked_on: Mapped[date]
    currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[int] = mapped_column(BigInteger)
    purpose: Mapped[str] = mapped_column(String(500))
    payer: Mapped[str] = mapped_column(String(200))
    bank_ref: Mapped[str | None] = mapped_column(String(120))
    state: Mapped[str] = mapped_column(String(10))
    reason_code: Mapped[str | None] = mapped_column(String(40))
    """Why it is with nobody."""
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id"))
    imported_at: Mapped[datetime] = mapped_column(default=now)
    imported_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
