"""Credit notes: what an invoice charged too much goes back to the balance, on record, never more than that.

An issued invoice is never changed. The credit note names its lines, and what is given back of each; the tax
goes back in proportion, rounded over all that was ever given back, so that the last part makes it whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.audit.actor import current
from backend.billing.dunning import resume
from backend.billing.invoices.dao import InvoiceDAO, LineDAO
from backend.billing.invoices.issuing import about, number
from backend.billing.invoices.letters import tell
from backend.billing.invoices.models import Invoice, InvoiceKind, InvoiceLine
from backend.billing.invoices.parties import buyer_of
from backend.billing.ledger import moves
from backend.billing.ledger.about import About
from backend.billing.money import apply_rate
from backend.config import Settings
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.utils.ids import new_id


@dataclass(frozen=True, slots=True)
class Part:
    """What goes back of one line."""

    line: InvoiceLine
    net: int
    tax: int


async def credit(
    session: AsyncSession,
    settings: Settings,
    invoice_id: UUID,
    reason: str,
    wanted: Mapping[UUID, int] | None = None,
) -> Invoice:
    """`wanted` is gross by line; without it, all that is left of the invoice.

    Raises `NotFound`, `Conflict` (`nothing_left`, `not_an_invoice`) and `Invalid` for more than is left.
    """
    dao = InvoiceDAO(session)
    found = await dao.get(invoice_id)
    if found is None:
        raise NotFound("There is no such invoice.")
    await resume.before_payment(session, found.project_id)
    # Whoever credits the same invoice waits here, and then sees what is left.
    invoice = await dao.get_locked(invoice_id)
    assert invoice is not None
    if invoice.kind != InvoiceKind.INVOICE:
        raise Conflict("A credit note is not credited again.", code="not_an_invoice")
    credited = await dao.credited(invoice_id)
    left = invoice.gross - sum(row.gross for row in credited.values())
    parts = _parts(await dao.lines(invoice_id), credited, wanted)
    if not parts or left <= 0:
        raise Conflict("All of this invoice has been given back.", code="nothing_left")
    if sum(part.net + part.tax for part in parts) > left:
        # Lines below zero have lowered what was to be paid for the others.
        message = f"Of the whole invoice no more than {left} is left."
        raise invalid_field(["body", "lines"], message, "more_than_invoiced")
    note = await _give_back(session, invoice, parts, reason)
    # The number is last: whoever issues another one waits for it until this transaction ends.
    await resume.after_payment(session, note.project_id)
    await _issue(session, settings, note, parts)
    after = {"amount": note.gross, "currency": note.currency, "corrects": invoice.reference, "reason": reason}
    await trail.record(session, Action.INVOICE_CREDITED, **about(note), after=after)
    buyer = await buyer_of(session, note.project_id)
    await tell(session, settings, note, buyer.recipient)
    return note


async def _give_back(session: AsyncSession, invoice: Invoice, parts: list[Part], reason: str) -> Invoice:
    net, tax = sum(part.net for part in parts), sum(part.tax for part in parts)
    if min(net, tax) < 0:
        # Lines below zero of another rate: there is more tax to take than to give, or the other way round.
        message = "Together these lines would take tax back. Credit lines above zero with them."
        raise invalid_field(["body", "lines"], message, "takes_back")
    note_id = new_id()
    posted = await moves.credit(
        session,
        invoice.project_id,
        invoice.currency,
        net,
        tax,
        key=f"credit_note:{note_id}",
        about=About(
            "credit_note",
            "credit_note",
            {"invoice": invoice.reference},
            source_type="invoice",
            source_id=note_id,
        ),
    )
    return Invoice(
        id=note_id,
        kind=InvoiceKind.CREDIT_NOTE,
        project_id=invoice.project_id,
        currency=invoice.currency,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        net=net,
        tax=tax,
        gross=net + tax,
        line_count=len(parts),
        # It corrects that invoice, so it is between the same two, in the same language.
        locale=invoice.locale,
        seller=invoice.seller,
        buyer=invoice.buyer,
        buyer_country=invoice.buyer_country,
        corrects_id=invoice.id,
        transaction_id=posted.transaction_id,
        reason=reason,
        issued_by=current().user_id,
    )


async def _issue(session: AsyncSession, settings: Settings, note: Invoice, parts: list[Part]) -> None:
    await number(session, settings, note)
    await LineDAO(session).add(*(_line(note.id, position, part) for position, part in enumerate(parts, 1)))


def _line(note_id: UUID, position: int, part: Part) -> InvoiceLine:
    line = part.line
    return InvoiceLine(
        id=new_id(),
        invoice_id=note_id,
        position=position,
        service_id=line.service_id,
        code=line.code,
        parameters={name: value for name, value in line.parameters.items() if name != "seconds"},
        period_start=line.period_start,
        period_end=line.period_end,
        tax_code=line.tax_code,
        tax_rate=line.tax_rate,
        tax_country=line.tax_country,
        net=part.net,
        tax=part.tax,
        gross=part.net + part.tax,
        corrects_line_id=line.id,
    )


def _parts(lines: Any, credited: Mapping[UUID, Row[Any]], wanted: Mapping[UUID, int] | None) -> list[Part]:
    if wanted is not None and (unknown := set(wanted) - {line.id for line in lines}):
        raise invalid_field(["body", "lines"], f"No line of this invoice: {min(unknown)}", "unknown_line")
    parts = []
    for line in lines:
        if wanted is not None and line.id not in wanted:
            continue
        before = credited.get(line.id)
        left = line.gross - (before.gross if before else 0)
        amount = left if wanted is None else wanted[line.id]
        if wanted is not None and amount > left:
            message = f"Of line {line.position} no more than {left} is left."
            raise invalid_field(["body", "lines"], message, "more_than_invoiced")
        if amount:
            so_far = line.gross - left + amount
            # Of a line below zero both are: `apply_rate` takes whole and part as they are without their sign.
            tax = apply_rate(so_far, abs(line.tax), abs(line.gross)) - (before.tax if before else 0)
            parts.append(Part(line, amount - tax, tax))
    return parts
