"""Invoices and taxes as files for bookkeepers: CSV (RFC 4180), amounts with the currency's decimals.

What credit notes give back is below zero, so that a column can be summed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from decimal import Decimal
from typing import Any

import asyncpg

from backend.audit.export import harmless
from backend.billing import money
from backend.billing.invoices.models import InvoiceKind
from backend.billing.invoices.views import INVOICES
from backend.dao.listing import Query

AT_ONCE = 500
INVOICE_COLUMNS = (
    *("reference", "kind", "issued_at", "period_start", "period_end", "project_id", "project_name"),
    *("buyer_name", "buyer_country", "buyer_vat_id", "currency", "net", "tax", "gross"),
    *("corrects", "reason", "id"),
)
TAX_COLUMNS = ("month", "country", "code", "rate_percent", "currency", "net", "tax", "gross", "documents")
_MARK = "\ufeff"
"""Without it spreadsheets take UTF-8 for something else."""
_AMOUNTS = ("net", "tax", "gross")


async def invoices(pool: asyncpg.Pool, filters: Mapping[str, Any]) -> AsyncIterator[bytes]:
    """The whole list, newest first; memory holds `AT_ONCE` rows of it."""
    yield _MARK.encode() + _written([INVOICE_COLUMNS])
    async for found in INVOICES.walk(pool, Query("-issued_at", AT_ONCE, None, filters)):
        yield _written(_invoice(row) for row in found)


def taxes(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return _MARK.encode() + _written([TAX_COLUMNS, *(_tax(row) for row in rows)])


def _invoice(row: Mapping[str, Any]) -> list[str]:
    sign = -1 if row["kind"] == InvoiceKind.CREDIT_NOTE else 1
    flat = {
        **row,
        **{name: money.plain(sign * row[name], row["currency"]) for name in _AMOUNTS},
        "issued_at": row["issued_at"].isoformat(),
        "project_id": row["project"]["id"],
        "project_name": row["project"]["name"],
        "corrects": row["corrects"] and row["corrects"]["reference"],
        **{f"buyer_{name}": value for name, value in row["buyer"].items()},
    }
    return [_cell(name, flat[name]) for name in INVOICE_COLUMNS]


def _tax(row: Mapping[str, Any]) -> list[str]:
    flat = {
        **row,
        **{name: money.plain(row[name], row["currency"]) for name in _AMOUNTS},
        "rate_percent": f"{Decimal(row['rate']) / 10_000:f}",
    }
    return [_cell(name, flat[name]) for name in TAX_COLUMNS]


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    # An amount below zero is a number, and no formula.
    return str(value) if name in _AMOUNTS else harmless(str(value))


def _written(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()
