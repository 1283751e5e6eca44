"""Payments, and what belongs to them: saved methods, refunds, disputes, automatic top-ups."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, Timestamps, now


class PaymentState(StrEnum):
    ACCEPTED = "accepted"
    """The gateway has not been asked yet, or has not answered."""
    PENDING = "pending"
    """The gateway works on it."""
    REQUIRES_ACTION = "requires_action"
    """The customer has to go to `action_url`."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REVIEW = "review"
    """The gateway took something else than was asked for: a person has to look."""

    @property
    def open(self) -> bool:
        return self in OPEN


OPEN = (PaymentState.ACCEPTED, PaymentState.PENDING, PaymentState.REQUIRES_ACTION)
_OPEN_SQL = "state IN ('accepted', 'pending', 'requires_action')"


class RefundState(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class DisputeState(StrEnum):
    INQUIRY = "inquiry"
    """The bank asks; nothing has been taken."""
    OPEN = "open"
    WON = "won"
    LOST = "lost"


class Payment(Timestamps, Base):
    """Money on its way to a project's balance. Its id is the idempotency key at the gateway."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint(
            "state IN ('accepted','pending','requires_action','succeeded','failed','cancelled','review')",
            name="state",
        ),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint(
            "refunded >= 0 AND refunding >= 0 AND refunded + refunding <= amount", name="refunded"
        ),
        Index("uq_payments_gateway_ref", "gateway", "gateway_ref", unique=True),
        Index(None, "gateway", "charge_ref"),
        Index(None, "job_id", unique=True),
        Index(None, "project_id", "created_at", "id"),
        Index(None, "created_at", "id"),
        Index(None, "state", "created_at", "id"),
        Index(None, "gateway", "created_at", "id"),
        Index("ix_payments_due", "next_check_at", postgresql_where=text(_OPEN_SQL)),
        # Of automatic ones a project never has two under way.
        Index(
            "uq_payments_automatic",
            "project_id",
            unique=True,
            postgresql_where=text(f"automatic AND {_OPEN_SQL}"),
        ),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    """Who asked for it; nobody did for automatic ones and transfers."""
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    gateway: Mapped[str] = mapped_column(String(20))
    method_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment_methods.id", ondelete="SET NULL"))
    save_method: Mapped[bool] = mapped_column(default=False)
    automatic: Mapped[bool] = mapped_column(default=False)
    currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[int] = mapped_column(BigInteger)
    taken_amount: Mapped[int | None] = mapped_column(BigInteger)
    """What the gateway took, if that is not what was asked for."""
    taken_currency: Mapped[str | None] = mapped_column(String(3))
    refunded: Mapped[int] = mapped_column(BigInteger, default=0)
    refunding: Mapped[int] = mapped_column(BigInteger, default=0)
    """Part of refunds that are under way."""
    state: Mapped[str] = mapped_column(String(16), default=PaymentState.ACCEPTED)
    failure_code: Mapped[str | None] = mapped_column(String(60))
    gateway_ref: Mapped[str | None] = mapped_column(String(120))
    """What the gateway is asked about."""
    charge_ref: Mapped[str | None] = mapped_column(String(120))
    """What refunds and disputes are about; with some gateways the same."""
    action_url: Mapped[str | None] = mapped_column(Text)
    method_words: Mapped[str | None] = mapped_column(String(60))
    """What it was paid with, as shown on the receipt: `Visa •• 4242`."""
    note: Mapped[str | None] = mapped_column(String(500))
    """Of an administrator, for what was entered by hand."""
    begun_at: Mapped[datetime | None]
    """Before the gateway is asked for the first time: from then on it may know."""
    next_check_at: Mapped[datetime | None]
    checks: Mapped[int] = mapped_column(SmallInteger, default=0)
    pay_until: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]


class PaymentMethod(Timestamps, Base):
    """What may be charged again. The gateway has the card; here is only its name there."""

    __tablename__ = "payment_methods"
    __table_args__ = (
        Index("uq_payment_methods_gateway_ref", "gateway", "gateway_ref", "project_id", unique=True),
        Index(None, "project_id", "created_at", "id"),
        Index(
            "uq_payment_methods_preferred",
            "project_id",
            unique=True,
            postgresql_where=text("preferred AND removed_at IS NULL"),
        ),
        Index(
            "ix_payment_methods_removed",
            "removed_at",
            postgresql_where=text("removed_at IS NOT NULL AND detached_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    gateway: Mapped[str] = mapped_column(String(20))
    gateway_ref: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(30))
    brand: Mapped[str | None] = mapped_column(String(30))
    last4: Mapped[str | None] = mapped_column(String(4))
    exp_month: Mapped[int | None] = mapped_column(SmallInteger)
    exp_year: Mapped[int | None] = mapped_column(SmallInteger)
    preferred: Mapped[bool] = mapped_column(default=False)
    removed_at: Mapped[datetime | None]
    detached_at: Mapped[datetime | None]
    """When the gateway forgot it too."""

    @property
    def words(self) -> str:
        brand = (self.brand or self.kind)[:30].capitalize()
        return f"{brand} •• {self.last4}" if self.last4 else brand


class GatewayCustomer(Base):
    """Under which name a gateway keeps a project's methods."""

    __tablename__ = "gateway_customers"

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    gateway: Mapped[str] = mapped_column(String(20), primary_key=True)
    ref: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(default=now)


class MethodSetup(Timestamps, Base):
    """A method that is being saved without a payment."""

    __tablename__ = "method_setups"
    __table_args__ = (
        CheckConstraint(
            "state IN ('accepted','pending','requires_action','succeeded','failed','cancelled')", name="state"
        ),
        Index("uq_method_setups_gateway_ref", "gateway", "gateway_ref", unique=True),
        Index(None, "job_id", unique=True),
        Index(None, "project_id"),
        Index("ix_method_setups_due", "next_check_at", postgresql_where=text(_OPEN_SQL)),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    gateway: Mapped[str] = mapped_column(String(20))
    gateway_ref: Mapped[str | None] = mapped_column(String(120))
    state: Mapped[str] = mapped_column(String(16), default=PaymentState.ACCEPTED)
    failure_code: Mapped[str | None] = mapped_column(String(60))
    action_url: Mapped[str | None] = mapped_column(Text)
    method_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment_methods.id", ondelete="SET NULL"))
    next_check_at: Mapped[datetime | None]
    checks: Mapped[int] = mapped_column(SmallInteger, default=0)


class Refund(Timestamps, Base):
    """Money on its way back. One that nobody here asked for was made at the gateway."""

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("state IN ('pending','succeeded','failed')", name="state"),
        CheckConstraint("amount > 0", name="amount"),
        Index(None, "payment_id", "gateway_ref", unique=True),
        Index(None, "job_id", unique=True),
        Index("ix_refunds_due", "next_check_at", postgresql_where=text("state = 'pending'")),
    )

    id: Mapped[Id]
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    amount: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str | None] = mapped_column(String(500))
    state: Mapped[str] = mapped_column(String(16), default=RefundState.PENDING)
    failure_code: Mapped[str | None] = mapped_column(String(60))
    gateway_ref: Mapped[str | None] = mapped_column(String(120))
    at_gateway: Mapped[bool] = mapped_column(default=False)
    """It was made there, without us: nothing was held for it."""
    next_check_at: Mapped[datetime | None]
    checks: Mapped[int] = mapped_column(SmallInteger, default=0)
    succeeded_at: Mapped[datetime | None]


class Dispute(Timestamps, Base):
    """A customer's bank wants a payment back."""

    __tablename__ = "disputes"
    __table_args__ = (
        CheckConstraint("state IN ('inquiry','open','won','lost')", name="state"),
        CheckConstraint("amount > 0", name="amount"),
        Index("uq_disputes_gateway_ref", "gateway", "gateway_ref", unique=True),
        Index(None, "payment_id"),
        Index("ix_disputes_due", "next_check_at", postgresql_where=text("state IN ('inquiry', 'open')")),
    )

    id: Mapped[Id]
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"))
    gateway: Mapped[str] = mapped_column(String(20))
    gateway_ref: Mapped[str] = mapped_column(String(120))
    amount: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str | None] = mapped_column(String(60))
    state: Mapped[str] = mapped_column(String(16))
    taken: Mapped[bool] = mapped_column(default=False)
    """Whether its amount is off the balance."""
    next_check_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class AutoTopUp(Timestamps, Base):
    """A project's wish to be topped up by itself."""

    __tablename__ = "auto_top_ups"
    __table_args__ = (
        CheckConstraint("threshold >= 0 AND amount > 0 AND monthly_limit >= amount", name="amounts"),
        Index(
            "ix_auto_top_ups_due",
            "next_check_at",
            postgresql_where=text("paused_code IS NULL"),
        ),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    method_id: Mapped[UUID] = mapped_column(ForeignKey("payment_methods.id"))
    currency: Mapped[str] = mapped_column(String(3))
    threshold: Mapped[int] = mapped_column(BigInteger)
    amount: Mapped[int] = mapped_column(BigInteger)
    monthly_limit: Mapped[int] = mapped_column(BigInteger)
    failures: Mapped[int] = mapped_column(SmallInteger, default=0)
    """Tries that failed, since the last one that did not."""
    paused_code: Mapped[str | None] = mapped_column(String(60))
    """Why it has stopped; whoever sets it anew starts it again."""
    next_check_at: Mapped[datetime] = mapped_column(default=now)
    ceiling_told: Mapped[date | None]
    """The month whose ceiling was met and told of."""
