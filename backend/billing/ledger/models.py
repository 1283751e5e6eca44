"""Double entries that the database lets nobody change (migration 0012, ADR 0024).

What a customer owns is positive, so a customer's balance and the operator's revenue are, and the money
that came in through a gateway is negative in the gateway's account.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    String,
    UniqueConstraint,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, Timestamps, now

Currency = String(3)


class LedgerAccount(Base):
    """A project's (balance, held, due) or the operator's (revenue, tax, gateway and its name, …)."""

    __tablename__ = "ledger_accounts"
    __table_args__ = (
        UniqueConstraint("project_id", "currency", "kind", "name", postgresql_nulls_not_distinct=True),
        CheckConstraint("kind <> 'held' OR balance >= 0", name="held"),
        CheckConstraint("kind <> 'due' OR balance <= 0", name="due"),
        CheckConstraint("(project_id IS NOT NULL) = (kind IN ('balance', 'held', 'due'))", name="owner"),
        Index(None, "kind", "created_at", "id"),
        Index("ix_ledger_accounts_negative", "kind", "created_at", "id", postgresql_where=text("negative")),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID | None] = mapped_column(ForeignKey("projects.id"))
    currency: Mapped[str] = mapped_column(Currency)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(40), default="", server_default="")
    balance: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """Of a project's account, kept by the database with each entry. The operator's are shared by all
    customers and summed when asked, lest every purchase waits for the one before."""
    negative: Mapped[bool] = mapped_column(Computed("balance < 0", persisted=True))
    """A column of its own, since it changes seldom: an index of the balance would grow with each entry."""
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())


class LedgerTransaction(Base):
    """Why money moved: its entries sum to zero."""

    __tablename__ = "ledger_transactions"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        Index(None, "project_id", "posted_at", "id"),
        Index(None, "project_id", "kind", "posted_at", "id"),
        Index(None, "posted_at", "id"),
        Index(None, "kind", "posted_at", "id"),
        Index(None, "service_id", "posted_at", "id", postgresql_where=text("service_id IS NOT NULL")),
        Index(None, "source_id", postgresql_where=text("source_id IS NOT NULL")),
    )

    id: Mapped[Id]
    key: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    currency: Mapped[str] = mapped_column(Currency)
    amount: Mapped[int] = mapped_column(BigInteger)
    """What was moved in all, whichever accounts it came from."""
    occurred_at: Mapped[datetime]
    posted_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    origin: Mapped[str] = mapped_column(String(20))
    code: Mapped[str] = mapped_column(String(60))
    """What it was for, in words of the panel's, with `parameters`."""
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    service_id: Mapped[UUID | None]
    source_type: Mapped[str | None] = mapped_column(String(40))
    source_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    acting_id: Mapped[UUID | None]


class LedgerEntry(Base):
    __tablename__ = "ledger_entries"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount"),
        UniqueConstraint("transaction_id", "account_id"),
        Index(None, "account_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_transactions.id"))
    account_id: Mapped[UUID]
    """No foreign key, which would lock the operator's account for each posting: the trigger that checks the
    sum misses an account that is not there, and none is ever deleted."""
    amount: Mapped[int] = mapped_column(BigInteger)
    balance_after: Mapped[int | None] = mapped_column(BigInteger)
    """Of a project's account; the database writes it."""


class LedgerCheckpoint(Base):
    """What an account's entries sum to, up to one of them: summed, and compared with its running sum."""

    __tablename__ = "ledger_checkpoints"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_accounts.id"), primary_key=True)
    entry_id: Mapped[int] = mapped_column(BigInteger)
    balance: Mapped[int] = mapped_column(BigInteger)
    entries: Mapped[int] = mapped_column(BigInteger)
    made_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now(), onupdate=now)


class BillingProfile(Timestamps, Base):
    """In which currency a project pays, how far it may go into debt, and to whom its invoices are."""

    __tablename__ = "billing_profiles"
    __table_args__ = (
        CheckConstraint("credit_limit_minor >= 0", name="credit_limit"),
        CheckConstraint("vat_result IN ('valid', 'invalid')", name="vat_result"),
        Index("ix_billing_profiles_vies", "vat_asked_at", postgresql_where=text("vat_id IS NOT NULL")),
    )

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    currency: Mapped[str] = mapped_column(Currency)
    credit_limit_minor: Mapped[int | None] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(200), default="", server_default="")
    address_lines: Mapped[list[str]] = mapped_column(ARRAY(String(200)), default=list, server_default="{}")
    country: Mapped[str | None] = mapped_column(String(2))
    vat_id: Mapped[str | None] = mapped_column(String(20))
    vat_id_checked: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Somebody made sure of number and country, whichever there are; only then is anybody abroad not taxed
    (reverse charge, export). Another number or country has to be checked anew."""
    vat_asked_at: Mapped[datetime | None]
    """When VIES was last asked, answered or not."""
    vat_result: Mapped[str | None] = mapped_column(String(12))
    """What it last said of this number."""
    vat_answered_at: Mapped[datetime | None]
    vat_consultation: Mapped[str | None] = mapped_column(String(100))
    """By which a tax office finds the answer."""
    vat_owner: Mapped[str | None] = mapped_column(String(300))
    """The name that the number is registered to, where the country tells it."""
    tax_exempt: Mapped[bool] = mapped_column(default=False, server_default=false())
    invoice_locale: Mapped[str | None] = mapped_column(String(5))
    invoice_email: Mapped[str | None] = mapped_column(String(254))


class LedgerAdjustment(Timestamps, Base):
    """A manual entry that one administrator proposes; above a limit another one approves it."""

    __tablename__ = "ledger_adjustments"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount"),
        CheckConstraint("state IN ('proposed', 'posted', 'refused')", name="state"),
        CheckConstraint("state <> 'posted' OR decided_by <> proposed_by", name="second_pair_of_eyes"),
        Index(None, "project_id", "created_at", "id"),
        Index(None, "created_at", "id"),
        Index(None, "state", "created_at", "id"),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    currency: Mapped[str] = mapped_column(Currency)
    amount: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(500))
    state: Mapped[str] = mapped_column(String(10))
    proposed_by: Mapped[UUID | None]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    transaction_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_transactions.id"))
