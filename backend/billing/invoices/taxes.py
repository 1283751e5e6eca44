"""The tax report: what was invoiced in which month, taxed by whose rate."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.invoices.dao import InvoiceDAO
from backend.billing.invoices.months import Month
from backend.config import Settings


async def rows(session: AsyncSession, settings: Settings, first: Month, last: Month) -> list[dict[str, Any]]:
    """Of invoices less credit notes that were issued from the first to the last month, newest first."""
    zone = ZoneInfo(settings.billing_time_zone)
    found = await InvoiceDAO(session).taxes(
        first.begins_at(zone), last.ends_at(zone), settings.billing_time_zone
    )
    return [
        {
            "month": row.month,
            "country": row.country,
            "code": row.tax_code,
            "rate": row.tax_rate,
            "currency": row.currency,
            "net": row.net,
            "tax": row.tax,
            "gross": row.gross,
            "documents": row.documents,
        }
        for row in found
    ]


async def not_invoiced(session: AsyncSession) -> list[dict[str, Any]]:
    return [
        {"currency": row.currency, "net": int(row.revenue), "tax": int(row.tax)}
        for row in await InvoiceDAO(session).not_invoiced()
    ]
