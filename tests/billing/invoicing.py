"""Invoices for tests: charges as rating posts them, and the run that takes them."""

from __future__ import annotations

import uuid
from datetime import date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text

from backend.billing.invoices import monthly
from backend.billing.invoices.issuing import issue_month
from backend.billing.invoices.models import Invoice, InvoiceLine
from backend.billing.invoices.months import Month
from backend.billing.ledger import moves
from backend.billing.ledger.about import About, Posted
from backend.config import Settings
from backend.database import Database

OCTOBER = Month(2026, 10)


class Bookkeeper:
    """`await books.charge(date(2026, 10, 3), 1000, 190)`, then `await books.issue()`."""

    def __init__(self, database: Database, settings: Settings, project_id: UUID) -> None:
        self.database, self.settings, self.project_id = database, settings, project_id

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.billing_time_zone)

    async def charge(
        self,
        day: date,
        net: int,
        tax: int = 0,
        *,
        service: str = "hello",
        service_id: UUID | None = None,
        project_id: UUID | None = None,
        currency: str = "EUR",
        code: str = "usage",
        **parameters: Any,
    ) -> Posted:
        """As rating posts a day of a service; below zero it gives back."""
        said = {
            "service": service,
            "plan": "dinghy",
            "meter": "plan",
            "day": day.isoformat(),
            "seconds": 86_400,
            "month_minor": 1_000,
            "tax_code": "domestic" if tax else "none",
            "tax_rate": 190_000 if tax else 0,
            "tax_country": "DE" if tax else None,
            **parameters,
        }
        about = About(
            "usage",
            code,
            said,
            service_id=service_id or uuid.uuid5(uuid.NAMESPACE_DNS, service),
            source_type="usage_charge",
            source_id=uuid.uuid4(),
            occurred_at=datetime.combine(day, time(12), self.zone),
        )
        how, sign = (moves.charge, 1) if net + tax > 0 else (moves.credit, -1)
        async with self.database.transaction() as session:
            posted: Posted = await how(
                session,
                *(project_id or self.project_id, currency, sign * net, sign * tax),
                key=f"usage:{uuid.uuid4()}",
                about=about,
            )
        return posted

    async def issue(
        self, month: Month = OCTOBER, *, project_id: UUID | None = None, currency: str = "EUR"
    ) -> Invoice | None:
        async with self.database.transaction() as session:
            return await issue_month(session, self.settings, project_id or self.project_id, currency, month)

    async def issued(self, month: Month = OCTOBER, **more: Any) -> Invoice:
        invoice = await self.issue(month, **more)
        assert invoice is not None
        return invoice

    async def run(self, at: datetime) -> None:
        await monthly.run(self.settings, self.database, at=at)

    async def invoices(self) -> list[Invoice]:
        async with self.database.transaction() as session:
            return list(await session.scalars(select(Invoice).order_by(Invoice.series, Invoice.number)))

    async def lines(self, invoice: Invoice) -> list[InvoiceLine]:
        async with self.database.transaction() as session:
            found = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id)
            return list(await session.scalars(found.order_by(InvoiceLine.position)))

    async def execute(self, statement: str, role: str = "origin", **values: Any) -> Any:
        async with self.database.transaction() as session:
            await session.execute(text(f"SET LOCAL session_replication_role = {role}"))
            return await session.execute(text(statement), values)
