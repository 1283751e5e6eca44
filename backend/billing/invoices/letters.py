"""The letter that tells of an invoice or a credit note, written in the transaction that issues it.

It carries a link and not the file: what is in the outbox is sealed, small and gone after a day, while the
invoice stays where it is, behind a sign-in.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing import money
from backend.billing.invoices.models import Invoice
from backend.billing.invoices.parties import Recipient
from backend.config import Settings
from backend.mail import outbox


async def tell(
    session: AsyncSession, settings: Settings, invoice: Invoice, recipient: Recipient | None
) -> None:
    if recipient is None:
        return
    await outbox.write(
        session,
        f"{invoice.kind}_issued",
        to=recipient.email,
        locale=recipient.locale,
        user_id=recipient.user_id,
        name=recipient.name,
        reference=invoice.reference,
        project=invoice.buyer["project"],
        amount=money.formatted(invoice.gross, invoice.currency, recipient.locale),
        url=f"{settings.panel_url}/billing/invoices/{invoice.id}?project={invoice.project_id}",
    )
