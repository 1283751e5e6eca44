"""The trail as a file: CSV (RFC 4180) row by row, however long it is."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg

from backend.dao.listing import Listing, Query
from backend.utils.json import to_json

AT_ONCE = 500
COLUMNS = (
    *("created_at", "action", "result", "user_id", "user_email", "user_name", "acting_id", "acting_email"),
    *("acting_name", "client_id", "client_name", "address", "user_agent", "request_id", "project_id"),
    *("project_name", "object_type", "object_id", "object_name", "before", "after", "id"),
)
_NESTED = ("user", "acting", "client", "project", "object")
_MARK = "\ufeff"
"""Without it spreadsheets take UTF-8 for something else."""
_FORMULA = re.compile(r"[\s\"']*[=+\-@＝＋－＠]|[\t\r\n]")


async def lines(pool: asyncpg.Pool, listing: Listing, filters: Mapping[str, Any]) -> AsyncIterator[bytes]:
    """The whole list, newest first; memory holds `AT_ONCE` rows of it."""
    yield _MARK.encode() + _written([COLUMNS])
    async for events in listing.walk(pool, Query("-created_at", AT_ONCE, None, filters)):
        yield _written([_row(event) for event in events])


def harmless(value: str) -> str:
    """What a spreadsheet would take for a formula is text to it behind an apostrophe."""
    return f"'{value}" if _FORMULA.match(value) else value


def _row(event: Mapping[str, Any]) -> list[str]:
    flat = dict(event)
    for name in _NESTED:
        flat |= {f"{name}_{part}": value for part, value in (event[name] or {}).items()}
    flat["created_at"] = event["created_at"].isoformat()
    return [_cell(flat.get(column)) for column in COLUMNS]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return harmless(to_json(value).decode() if isinstance(value, dict) else str(value))


def _written(rows: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()
