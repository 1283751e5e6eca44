"""Ends of units that nobody asked for, as the engine tells of them."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from loguru import logger

from backend.database import Database, now
from backend.engines.base import Engine, EngineError, UnitExit
from backend.services.dao import ServiceDAO
from backend.timeline.recording import EventDAO

OLDEST_SECONDS = 3600
"""What is older was told before, or happened before anybody listened."""


async def note_exits(database: Database, engine: Engine) -> int:
    """Write down those that are not yet; how many. What a job works on waits: jobs end units too."""
    try:
        exits = await engine.exits()
    except EngineError as error:
        logger.warning("what ended is not asked for: {}", error.message)
        return 0
    by_service: dict[UUID, list[UnitExit]] = defaultdict(list)
    for one in exits:
        if (now() - one.at).total_seconds() < OLDEST_SECONDS:
            by_service[UUID(one.service_id)].append(one)
    added = 0
    for service_id, found in by_service.items():
        async with database.transaction() as session:
            services, events = ServiceDAO(session), EventDAO(session)
            service = await services.get(service_id)
            if service is None or not service.should_run or await services.busy(service_id):
                continue
            if count := await events.add_exits(found):
                added += count
                await events.drop_surplus(service_id)
    return added
