"""Postings as a file for bookkeepers: CSV (RFC 4180), amounts with the currency's decimals."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import asyncpg

from backend.audit.export import harmless
from backend.billing.ledger.views import POSTINGS
from backend.billing.money import plain
from backend.dao.listing import Query
from backend.utils.json import to_json

AT_ONCE = 500
_AMOUNTS = ("amount", "balance", "held", "due", "balance_after")
COLUMNS = (
    *("posted_at", "occurred_at", "project_id", "project_name", "kind", "code", "parameters", "service_id"),
    *("service_name", "currency", *_AMOUNTS, "source_type", "source_id", "id"),
)
_MARK = "\ufeff"
"""Without it spreadsheets take UTF-8 for something else."""


async def postings(pool: asyncpg.Pool, filters: Mapping[str, Any]) -> AsyncIterator[bytes]:
    """The whole list, newest first; memory holds `AT_ONCE` rows of it."""
    yield _MARK.encode() + _written([COLUMNS])
    async for found in POSTINGS.walk(pool, Query("-posted_at", AT_ONCE, None, filters)):
        yield _written(_row(posting) for posting in found)


def _row(posting: Mapping[str, Any]) -> list[str]:
    currency = posting["currency"]
    flat = dict(posting)
    for name in ("project", "service"):
        flat |= {f"{name}_{part}": value for part, value in (posting[name] or {}).items()}
    flat |= {name: posting[name].isoformat() for name in ("posted_at", "occurred_at")}
    flat["parameters"] = to_json(posting["parameters"]).decode()
    amounts = {name: plain(posting[name], currency) for name in _AMOUNTS if posting[name] is not None}
    # An amount below zero is a number, and no formula.
    return [amounts.get(name) or _cell(flat.get(name)) for name in COLUMNS]


def _cell(value: Any) -> str:
    return "" if value is None else harmless(str(value))


def _written(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()
