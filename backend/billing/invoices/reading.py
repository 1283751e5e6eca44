"""One invoice: as the API shows it, and as it is printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.invoices import pdf
from backend.billing.invoices.dao import InvoiceDAO
from backend.billing.invoices.document import document
from backend.billing.invoices.models import Invoice
from backend.billing.invoices.months import days_of
from backend.billing.invoices.views import charges_of, invoice_of, lines_of, notes_of, shape_invoice
from backend.config import Settings
from backend.dao.read import shaped
from backend.database import Database
from backend.exceptions import NotFound


async def whole(
    session: AsyncSession, settings: Settings, invoice_id: UUID, project_id: UUID | None = None
) -> dict[str, Any]:
    """With parties, lines and credit notes. Raises `NotFound`, also for one that is not the project's."""
    statement = invoice_of(invoice_id)
    if project_id is not None:
        statement = statement.where(Invoice.project_id == project_id)
    found = await shaped(session, statement, lambda row: {**shape_invoice(row), **_parties(row)})
    if found is None:
        raise missing()
    dao = InvoiceDAO(session)
    zone = ZoneInfo(settings.billing_time_zone)
    lines = [_line(row._mapping, zone) for row in await dao.rows(lines_of(invoice_id))]
    notes = [dict(row._mapping) for row in await dao.rows(notes_of(invoice_id))]
    return {**found, "lines": lines, "credit_notes": notes}


async def charges(
    session: AsyncSession, invoice_id: UUID, line_id: UUID, project_id: UUID | None = None
) -> list[dict[str, Any]]:
    """What a line is made of, posting by posting."""
    await _its(session, invoice_id, project_id)
    rows = await InvoiceDAO(session).rows(charges_of(invoice_id, line_id))
    return [{**row._mapping, "net": int(row.net), "tax": int(row.tax)} for row in rows]


async def paper(
    database: Database, settings: Settings, invoice_id: UUID, project_id: UUID | None = None
) -> tuple[str, bytes]:
    """The PDF and its reference; made after the transaction that reads it."""
    async with database.transaction() as session:
        invoice = await _its(session, invoice_id, project_id)
        dao = InvoiceDAO(session)
        lines = await dao.lines(invoice_id)
        corrected = await dao.get(invoice.corrects_id) if invoice.corrects_id else None
    zone = ZoneInfo(settings.billing_time_zone)
    made = document(invoice, lines, zone, corrected.reference if corrected else None)
    return invoice.reference, await pdf.render(made, invoice.issued_at)


async def _its(session: AsyncSession, invoice_id: UUID, project_id: UUID | None) -> Invoice:
    invoice = await InvoiceDAO(session).get(invoice_id)
    if invoice is None or project_id not in (None, invoice.project_id):
        raise missing()
    return invoice


def missing() -> NotFound:
    return NotFound("There is no such invoice.")


def _parties(row: Any) -> dict[str, Any]:
    return {"seller": row["seller"], "buyer": row["buyer"]}


def _line(row: Mapping[Any, Any], zone: ZoneInfo) -> dict[str, Any]:
    line = {**row, "credited": int(row["credited"])}
    first_day, last_day = days_of(line.pop("period_start"), line.pop("period_end"), zone)
    return {**line, "first_day": first_day, "last_day": last_day}
