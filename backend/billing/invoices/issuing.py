"""Issuing: numbers without gaps, and everything about an invoice in one transaction.

The number is the last thing that is taken, since from then on everyone else who issues in that series waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.billing.invoices.charges import Line, lines_of, total
from backend.billing.invoices.dao import ChargeDAO, InvoiceDAO, LineDAO, SeriesDAO
from backend.billing.invoices.letters import tell
from backend.billing.invoices.models import Invoice, InvoiceCharge, InvoiceKind, InvoiceLine
from backend.billing.invoices.months import Month
from backend.billing.invoices.parties import buyer_of, seller_of
from backend.config import Settings
from backend.database import now
from backend.utils.ids import new_id


async def issue_month(
    session: AsyncSession, settings: Settings, project_id: UUID, currency: str, month: Month
) -> Invoice | None:
    """The month's invoice: all charges up to its end that none has taken yet.

    None if there are none, or if the month has its invoice: what came in too late is on the next one. So is
    what comes to nothing or less, because usage that was invoiced before turned out to be less than that.
    """
    dao, zone = InvoiceDAO(session), ZoneInfo(settings.billing_time_zone)
    await dao.lock(f"invoices:{project_id}")
    if await dao.is_issued(project_id, currency, month.first_day):
        return None
    charges = await dao.charges(project_id, currency, month.ends_at(zone))
    lines = lines_of(charges, await dao.titles(), zone)
    net, tax = total(lines)
    if net + tax <= 0:
        return None
    buyer = await buyer_of(session, project_id)
    invoice = Invoice(
        id=new_id(),
        kind=InvoiceKind.INVOICE,
        project_id=project_id,
        currency=currency,
        period_start=month.first_day,
        period_end=month.following.first_day,
        net=net,
        tax=tax,
        gross=net + tax,
        line_count=len(lines),
        locale=buyer.locale,
        seller=seller_of(settings),
        buyer=buyer.printed,
        buyer_country=buyer.country,
    )
    await number(session, settings, invoice)
    await _write(session, invoice.id, lines)
    await trail.record(
        session,
        Action.INVOICE_ISSUED,
        **about(invoice),
        after={"amount": invoice.gross, "currency": currency, "period": str(month)},
    )
    await tell(session, settings, invoice, buyer.recipient)
    return invoice


async def number(session: AsyncSession, settings: Settings, invoice: Invoice) -> None:
    """Give it the next number of its series and the moment of issue, and write it.

    Each year has series of its own, as the operator's clock has years.
    """
    at = now()
    year = at.astimezone(ZoneInfo(settings.billing_time_zone)).year
    is_invoice = invoice.kind == InvoiceKind.INVOICE
    prefix = settings.invoice_prefix if is_invoice else settings.credit_note_prefix
    invoice.series = f"{prefix}-{year}"
    taken = await SeriesDAO(session).take(invoice.series, at)
    invoice.number, invoice.issued_at = taken.last_number, taken.last_issued_at
    invoice.reference = f"{invoice.series}-{invoice.number:06}"
    await InvoiceDAO(session).add(invoice)


def about(invoice: Invoice) -> Any:
    """What the trail says an event is about."""
    return {
        "object_type": "invoice",
        "object_id": invoice.id,
        "object_name": invoice.reference,
        "project_id": invoice.project_id,
    }


async def _write(session: AsyncSession, invoice_id: UUID, lines: Sequence[Line]) -> None:
    written = [
        InvoiceLine(
            id=new_id(),
            invoice_id=invoice_id,
            position=position,
            service_id=line.service_id,
            code=line.code,
            parameters=line.parameters,
            period_start=line.period_start,
            period_end=line.period_end,
            tax_code=line.tax_code,
            tax_rate=line.tax_rate,
            tax_country=line.tax_country,
            net=line.net,
            tax=line.tax,
            gross=line.net + line.tax,
        )
        for position, line in enumerate(lines, 1)
    ]
    await LineDAO(session).add(*written)
    await ChargeDAO(session).add(
        *(
            InvoiceCharge(transaction_id=transaction_id, line_id=row.id)
            for row, line in zip(written, lines, strict=True)
            for transaction_id in line.transactions
        )
    )
