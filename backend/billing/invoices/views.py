"""Invoices as the API shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import aliased

from backend.billing.invoices.models import Invoice, InvoiceCharge, InvoiceLine
from backend.billing.ledger.models import LedgerAccount, LedgerEntry, LedgerTransaction
from backend.dao.base import AnySelect
from backend.dao.listing import Listing, Sort, moment
from backend.projects.models import Project

_corrected = aliased(Invoice)
_note = aliased(Invoice)
_credited = (
    select(func.coalesce(func.sum(_note.gross), 0))
    .where(_note.corrects_id == Invoice.id)
    .correlate(Invoice)
    .scalar_subquery()
)
_PLAIN = ("id", "reference", "kind", "currency", "period_start", "net", "tax", "gross", "locale", "issued_at")
_LINE = (
    *("id", "position", "service_id", "code", "parameters", "period_start", "period_end"),
    *("tax_code", "tax_rate", "tax_country", "net", "tax", "gross"),
)


def select_invoices() -> AnySelect:
    return (
        select(
            *(getattr(Invoice, name) for name in _PLAIN),
            Invoice.period_end,
            Invoice.buyer,
            Invoice.seller,
            Invoice.reason,
            Invoice.corrects_id,
            Invoice.project_id,
            Project.name.label("project_name"),
            _corrected.reference.label("corrects_reference"),
            _credited.label("credited"),
        )
        .join(Project, Project.id == Invoice.project_id)
        .outerjoin(_corrected, _corrected.id == Invoice.corrects_id)
    )


def shape_invoice(row: Mapping[str, Any]) -> dict[str, Any]:
    shaped = {name: row[name] for name in _PLAIN}
    shaped["period_end"] = row["period_end"] - timedelta(days=1)
    shaped["project"] = {"id": row["project_id"], "name": row["project_name"]}
    shaped["buyer"] = {name: row["buyer"].get(name) for name in ("name", "country", "vat_id")}
    corrects = row["corrects_id"]
    shaped["corrects"] = corrects and {"id": corrects, "reference": row["corrects_reference"]}
    shaped["credited"] = int(row["credited"])
    shaped["reason"] = row["reason"]
    return shaped


def invoice_of(invoice_id: UUID) -> AnySelect:
    return select_invoices().where(Invoice.id == invoice_id)


def lines_of(invoice_id: UUID) -> AnySelect:
    """With what credit notes took back of each."""
    note_line = aliased(InvoiceLine)
    credited = (
        select(func.coalesce(func.sum(note_line.gross), 0))
        .where(note_line.corrects_line_id == InvoiceLine.id)
        .correlate(InvoiceLine)
        .scalar_subquery()
    )
    columns = (getattr(InvoiceLine, name) for name in _LINE)
    return (
        select(*columns, credited.label("credited"))
        .where(InvoiceLine.invoice_id == invoice_id)
        .order_by(InvoiceLine.position)
    )


def notes_of(invoice_id: UUID) -> AnySelect:
    """The credit notes about an invoice."""
    return (
        select(Invoice.id, Invoice.reference, Invoice.gross, Invoice.issued_at)
        .where(Invoice.corrects_id == invoice_id)
        .order_by(Invoice.issued_at, Invoice.id)
    )


def charges_of(invoice_id: UUID, line_id: UUID) -> AnySelect:
    """The ledger's postings that a line is made of, oldest first."""
    posting = LedgerTransaction

    def sum_in(kind: str) -> Any:
        return func.coalesce(func.sum(LedgerEntry.amount).filter(LedgerAccount.kind == kind), 0)

    return (
        select(
            posting.id,
            posting.occurred_at,
            posting.source_type,
            posting.source_id,
            posting.parameters["day"].astext.label("day"),
            sum_in("revenue").label("net"),
            sum_in("tax").label("tax"),
        )
        .join(InvoiceCharge, InvoiceCharge.transaction_id == posting.id)
        .join(InvoiceLine, InvoiceLine.id == InvoiceCharge.line_id)
        .join(LedgerEntry, LedgerEntry.transaction_id == posting.id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(InvoiceLine.id == line_id, InvoiceLine.invoice_id == invoice_id)
        .group_by(posting.id)
        .order_by(posting.occurred_at, posting.id)
    )


def _equals(column: Any) -> Callable[[Any], ColumnElement[bool]]:
    return lambda value: column == value


def _amount(value: Any) -> int:
    if type(value) is not int or abs(value) >= 2**63:
        raise ValueError("not an amount of the database")
    return value


INVOICES = Listing(
    select_invoices(),
    id_column=Invoice.id,
    filters={
        **{
            name: _equals(getattr(Invoice, name))
            for name in ("project_id", "kind", "currency", "reference", "period_start")
        },
        "country": _equals(Invoice.buyer_country),
        "since": lambda value: Invoice.issued_at >= value,
        "until": lambda value: Invoice.issued_at < value,
    },
    sorts={"issued_at": Sort(Invoice.issued_at, moment), "gross": Sort(Invoice.gross, _amount)},
    shape=shape_invoice,
)
