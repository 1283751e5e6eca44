"""Invoices and credit notes: once issued they are as they are (migration 0015, ADR 0027)."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id


class InvoiceKind(StrEnum):
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class InvoiceSeries(Base):
    """The last number of each series. Its row is locked from the number to the commit, so a number whose
    invoice came to nothing is given to the next one; the database refuses a number without its invoice."""

    __tablename__ = "invoice_series"
    __table_args__ = (CheckConstraint("last_number > 0", name="last_number"),)

    code: Mapped[str] = mapped_column(String(20), primary_key=True)
    last_number: Mapped[int] = mapped_column(BigInteger)
    last_issued_at: Mapped[datetime]


class Invoice(Base):
    """Amounts are positive on a credit note too: its kind says which way they go."""

    __tablename__ = "invoices"
    __table_args__ = (
        UniqueConstraint("series", "number"),
        CheckConstraint("kind IN ('invoice', 'credit_note')", name="kind"),
        CheckConstraint("gross = net + tax AND gross > 0", name="amounts"),
        CheckConstraint("line_count > 0", name="line_count"),
        CheckConstraint("period_end > period_start", name="period"),
        CheckConstraint(
            "kind = 'invoice' OR (corrects_id IS NOT NULL AND transaction_id IS NOT NULL)", name="corrects"
        ),
        Index(
            "uq_invoices_month",
            "project_id",
            "currency",
            "period_start",
            unique=True,
            postgresql_where=text("kind = 'invoice'"),
        ),
        Index(None, "issued_at", "id"),
        Index(None, "gross", "id"),
        *(
            Index(None, column, "issued_at", "id")
            for column in ("project_id", "kind", "currency", "buyer_country", "period_start")
        ),
        Index(None, "project_id", "gross", "id"),
        Index(None, "corrects_id"),
    )

    id: Mapped[Id]
    series: Mapped[str] = mapped_column(ForeignKey("invoice_series.code"))
    number: Mapped[int] = mapped_column(BigInteger)
    reference: Mapped[str] = mapped_column(String(40), unique=True)
    """Series and number as people write them: `INV-2026-000017`."""
    kind: Mapped[str] = mapped_column(String(20))
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    currency: Mapped[str] = mapped_column(String(3))
    period_start: Mapped[date]
    period_end: Mapped[date]
    """The first day after it."""
    net: Mapped[int] = mapped_column(BigInteger)
    tax: Mapped[int] = mapped_column(BigInteger)
    gross: Mapped[int] = mapped_column(BigInteger)
    line_count: Mapped[int]
    """With the sums, so that the database notices lines that were added later."""
    locale: Mapped[str] = mapped_column(String(8))
    seller: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """The parties as they were on the day: `backend.billing.invoices.parties`."""
    buyer: Mapped[dict[str, Any]] = mapped_column(JSONB)
    buyer_country: Mapped[str | None] = mapped_column(String(2))
    corrects_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoices.id"))
    transaction_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_transactions.id"), unique=True)
    """Of a credit note: the posting that gave the money back."""
    reason: Mapped[str | None] = mapped_column(String(500))
    issued_at: Mapped[datetime]
    issued_by: Mapped[UUID | None]


class InvoiceLine(Base):
    """Below zero where usage that was charged before turned out to be less."""

    __tablename__ = "invoice_lines"
    __table_args__ = (
        UniqueConstraint("invoice_id", "position"),
        CheckConstraint("gross = net + tax", name="amounts"),
        Index(None, "service_id", postgresql_where=text("service_id IS NOT NULL")),
        Index(None, "corrects_line_id", postgresql_where=text("corrects_line_id IS NOT NULL")),
    )

    id: Mapped[Id]
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"))
    position: Mapped[int]
    service_id: Mapped[UUID | None]
    code: Mapped[str] = mapped_column(String(60))
    """What it is for, in words of `backend.billing.invoices.words`, with `parameters`."""
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    tax_rate: Mapped[int]
    """Millionths: 190,000 is 19 %."""
    tax_code: Mapped[str] = mapped_column(String(20))
    """By which rule, as `backend.billing.prices.tax` has them."""
    tax_country: Mapped[str | None] = mapped_column(String(2))
    """Whose rate it is."""
    corrects_line_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoice_lines.id"))
    """Of a credit note: which line it takes back from."""
    net: Mapped[int] = mapped_column(BigInteger)
    tax: Mapped[int] = mapped_column(BigInteger)
    gross: Mapped[int] = mapped_column(BigInteger)


class InvoiceCharge(Base):
    """Which postings a line is made of. Each is invoiced once, for it is the key."""

    __tablename__ = "invoice_charges"
    __table_args__ = (Index(None, "line_id"),)

    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_transactions.id"), primary_key=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("invoice_lines.id"))
