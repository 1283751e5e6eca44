"""The receipt of a payment, made when it is asked for, by the billing details of that day.

It says that money came onto the balance. What the money was used for is on the invoices.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from backend.billing import money
from backend.billing.invoices import pdf
from backend.billing.invoices.document import day_of, party
from backend.billing.invoices.parties import Buyer, buyer_of, seller_of
from backend.billing.invoices.words import word
from backend.billing.payments.dao import PaymentDAO
from backend.billing.payments.models import Payment, PaymentState
from backend.config import Settings
from backend.database import Database
from backend.exceptions import NotFound

TEMPLATE = Path(__file__).with_name("receipt.typ")


async def paper(database: Database, settings: Settings, payment_id: UUID, project_id: UUID) -> bytes:
    """Made after the transaction that reads it. Raises `NotFound`, also for what was not paid."""
    async with database.transaction() as session:
        payment = await PaymentDAO(session).get(payment_id)
        if payment is None or payment.project_id != project_id or payment.state != PaymentState.SUCCEEDED:
            raise NotFound("There is no receipt of such a payment.")
        buyer = await buyer_of(session, project_id)
    made = document(payment, seller_of(settings), buyer, ZoneInfo(settings.billing_time_zone))
    assert payment.succeeded_at is not None
    return await pdf.render(made, payment.succeeded_at, TEMPLATE)


def document(payment: Payment, seller: dict[str, Any], buyer: Buyer, zone: ZoneInfo) -> dict[str, Any]:
    """What stands on it, in the language of the project's invoices."""
    locale = buyer.locale

    def figure(minor: int) -> str:
        return money.formatted(minor, payment.currency, locale)

    assert payment.succeeded_at is not None
    facts = [
        ["paid_on", day_of(payment.succeeded_at.astimezone(zone).date(), locale)],
        ["paid_with", payment.method_words or word(f"gateway.{payment.gateway}", locale)],
        ["currency", payment.currency],
    ]
    rows = [[word("top_up", locale, project=str(buyer.printed["project"])), figure(payment.amount)]]
    if payment.refunded:
        rows.append([word("sent_back", locale), figure(-payment.refunded)])
    return {
        "language": locale,
        "title": word("receipt", locale),
        "number": str(payment.id),
        "page": word("page", locale),
        "facts": [[word(name, locale), value] for name, value in facts],
        "seller": party("seller", seller, locale),
        "buyer": party("payer", buyer.printed, locale),
        "rows": rows,
        "total": [word("received", locale), figure(payment.amount - payment.refunded)],
        "notes": [word("no_invoice", locale)],
    }
