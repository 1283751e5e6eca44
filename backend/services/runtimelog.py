"""What a service's processes print, as the engine keeps it, with the values of its variables cut out."""

from __future__ import annotations

import asyncio
import time
import unicodedata
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from backend.context import Parts
from backend.engines.base import BadCursor, EngineError, LogLine, LogPage
from backend.exceptions import BadRequest, Unavailable
from backend.services.dao import DeploymentDAO
from backend.services.environment import CUT, Redactor, open_snapshot
from backend.services.lifecycle import variables_of
from backend.utils.streams import LONGEST_SECONDS

POLL_SECONDS = 0.5
FIRST_LINES = 200
BATCH = 500
RELEASES = 50
"""How many of the newest releases have their values cut out."""


async def page(parts: Parts, service_id: UUID, after: str | None, size: int) -> dict[str, Any]:
    found = await _read(parts, service_id, after, size)
    lines = await _shaped(parts, service_id, found.lines)
    return {"lines": lines, "next": found.next, "truncated": found.truncated}


async def search(
    parts: Parts, service_id: UUID, text: str, *, unit: str | None, before: str | None, size: int
) -> dict[str, Any]:
    """Lines with the text, however it is written, the newest first.

    Looked for in what is shown: whoever may read a log must not find out by searching what was cut out of it.
    """
    redact, wanted = await _redactor(parts, service_id), _folded(text)

    def matches(line: str) -> bool:
        return (wanted in _folded(line) or CUT in wanted) and wanted in _folded(redact(line))

    try:
        found = await parts.engine.search_log(str(service_id), matches, unit=unit, before=before, limit=size)
    except BadCursor:
        raise BadRequest("The cursor is not one of a search.", code="bad_cursor") from None
    except EngineError as error:
        raise Unavailable(error.message, code=error.code) from None
    return {"lines": await _shaped(parts, service_id, found.lines), "before": found.before}


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text.casefold())


async def follow(parts: Parts, service_id: UUID, after: str | None) -> AsyncIterator[dict[str, Any]]:
    end = time.monotonic() + LONGEST_SECONDS
    size = FIRST_LINES if after is None else BATCH
    while time.monotonic() < end:
        found = await _read(parts, service_id, after, size)
        for line in await _shaped(parts, service_id, found.lines):
            yield line
        after, size = found.next, BATCH
        if not found.lines:
            await asyncio.sleep(POLL_SECONDS)


async def _read(parts: Parts, service_id: UUID, after: str | None, size: int) -> LogPage:
    try:
        return await parts.engine.read_log(str(service_id), after=after, limit=size)
    except EngineError as error:
        raise Unavailable(error.message, code=error.code) from None


async def _shaped(parts: Parts, service_id: UUID, lines: list[LogLine]) -> list[dict[str, Any]]:
    """As the API gives them, each with its release, and without the values of variables."""
    if not lines:
        return []
    ids = {line.deployment_id: UUID(line.deployment_id) for line in lines}
    redact = await _redactor(parts, service_id)
    async with parts.database.transaction() as session:
        started = await DeploymentDAO(session).started(list(ids.values()))
    releases = {}
    for name, deployment_id in ids.items():
        number, since = started.get(deployment_id, (None, None))
        releases[name] = {"deployment_id": name, "release": number, "release_started_at": since}
    return [
        {
            "cursor": line.cursor,
            "text": redact(line.text),
            "unit": line.unit,
            **releases[line.deployment_id],
        }
        for line in lines
    ]


async def _redactor(parts: Parts, service_id: UUID) -> Redactor:
    """Cuts out the present values and those of earlier releases, which may still run and print theirs.

    They are read anew each time, since a deployment may have brought new ones meanwhile.
    """
    async with parts.database.transaction() as session:
        values = list((await variables_of(session, service_id)).values())
        for deployment_id, sealed in await DeploymentDAO(session).environments(service_id, RELEASES):
            values += open_snapshot(deployment_id, sealed).values()
    return Redactor(values)
