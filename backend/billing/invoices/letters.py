"""The letter that brings an invoice or a credit note, written in the transaction that issues it.

The outbox holds a link and not the file: it is made anew from the rows, byte by byte the same, when
the letter is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing import money
from backend.billing.invoices import reading
from backend.billing.invoices.models import Invoice, InvoiceKind
from backend.billing.invoices.parties import Recipient
from backend.config import Settings
from backend.database import Database
from backend.mail import outbox
from backend.mail.catalogue import Values
from backend.mail.delivery import Attach
from backend.mail.transports import Attached


async def tell(
    session: AsyncSession, settings: Settings, invoice: Invoice, recipient: Recipient | None
) -> None:
    if recipient is None:
        return
    await outbox.write(
        session,
        _template(invoice.kind),
        to=recipient.email,
        locale=recipient.locale,
        user_id=recipient.user_id,
        name=recipient.name,
        reference=invoice.reference,
        project=invoice.buyer["project"],
        amount=money.formatted(invoice.gross, invoice.currency, recipient.locale),
        url=f"{settings.panel_url}/billing/invoices/{invoice.id}?project={invoice.project_id}",
    )


def attachments(database: Database, settings: Settings) -> Mapping[str, Attach]:
    """What goes with these letters, by template."""
    return {_template(kind): partial(_paper, database, settings) for kind in InvoiceKind}


async def _paper(database: Database, settings: Settings, values: Values) -> Attached:
    """The link in the letter says which invoice it is."""
    invoice_id = UUID(urlsplit(str(values["url"])).path.rpartition("/")[2])
    reference, made = await reading.paper(database, settings, invoice_id)
    return Attached(f"{reference}.pdf", "application/pdf", made)


def _template(kind: str) -> str:
    return f"{kind}_issued"
