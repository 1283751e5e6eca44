"""What a service's processes print, as the engine keeps it, with the values of its variables cut out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from backend.context import Parts
from backend.engines.base import EngineError, LogPage
from backend.exceptions import Unavailable
from backend.services.dao import DeploymentDAO
from backend.services.environment import Redactor, open_snapshot
from backend.services.lifecycle import variables_of
from backend.utils.streams import LONGEST_SECONDS

POLL_SECONDS = 0.5
FIRST_LINES = 200
BATCH = 500
RELEASES = 50
"""How many of the newest releases have their values cut out."""


async def page(parts: Parts, service_id: UUID, after: str | None, size: int) -> dict[str, Any]:
    redact = await _redactor(parts, service_id)
    found = await _read(parts, service_id, after, size)
    lines = [{"cursor": line.cursor, "text": redact(line.text)} for line in found.lines]
    return {"lines": lines, "next": found.next, "truncated": found.truncated}


async def follow(parts: Parts, service_id: UUID, after: str | None) -> AsyncIterator[dict[str, str]]:
    end = time.monotonic() + LONGEST_SECONDS
    size = FIRST_LINES if after is None else BATCH
    while time.monotonic() < end:
        found = await _read(parts, service_id, after, size)
        # Read anew each time: a deployment may have brought new values meanwhile.
        redact = await _redactor(parts, service_id) if found.lines else Redactor(())
        for line in found.lines:
            yield {"cursor": line.cursor, "text": redact(line.text)}
        after, size = found.next, BATCH
        if not found.lines:
            await asyncio.sleep(POLL_SECONDS)


async def _read(parts: Parts, service_id: UUID, after: str | None, size: int) -> LogPage:
    try:
        return await parts.engine.read_log(str(service_id), after=after, limit=size)
    except EngineError as error:
        raise Unavailable(error.message, code=error.code) from None


async def _redactor(parts: Parts, service_id: UUID) -> Redactor:
    """Knows the present values and those of earlier releases, which may still run and print theirs."""
    async with parts.database.transaction() as session:
        values = list((await variables_of(session, service_id)).values())
        for deployment_id, sealed in await DeploymentDAO(session).environments(service_id, RELEASES):
            values += open_snapshot(deployment_id, sealed).values()
    return Redactor(values)
