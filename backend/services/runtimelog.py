"""What a service's processes print, as the engine keeps it, with the values of its variables cut out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from backend.context import Parts
from backend.engines.base import EngineError, LogLine, LogPage
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
    found = await _read(parts, service_id, after, size)
    lines = await _shaped(parts, service_id, found.lines)
    return {"lines": lines, "next": found.next, "truncated": found.truncated}


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
    """As the API gives them, each with its release, and without the values of variables.

    Cut out are the present values and those of earlier releases, which may still run and print theirs; they
    are read anew each time, since a deployment may have brought new ones meanwhile.
    """
    if not lines:
        return []
    ids = {line.deployment_id: UUID(line.deployment_id) for line in lines}
    async with parts.database.transaction() as session:
        deployments = DeploymentDAO(session)
        values = list((await variables_of(session, service_id)).values())
        for deployment_id, sealed in await deployments.environments(service_id, RELEASES):
            values += open_snapshot(deployment_id, sealed).values()
        started = await deployments.started(list(ids.values()))
    redact = Redactor(values)
    releases = {}
    for name, deployment_id in ids.items():
        number, since = started.get(deployment_id, (None, None))
        releases[name] = {"deployment_id": name, "release": number, "release_started_at": since}
    return [
        {"cursor": line.cursor, "text": redact(line.text), **releases[line.deployment_id]} for line in lines
    ]
