"""The periodic look at every project that pays: each moves on in a transaction of its own, so that a run may
be cut off anywhere, and two at once do what one does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from loguru import logger

from backend.billing.dunning.advancing import advance, is_due
from backend.billing.dunning.dao import StateDAO
from backend.billing.runs import progress
from backend.config import Settings
from backend.database import Database, is_away, now

AT_ONCE = 200


async def run(settings: Settings, database: Database, clock: Callable[[], datetime] = now) -> None:
    if not settings.billing_enabled:
        return
    async with progress.begin(database, "dunning") as run:
        if run is None:
            return
        done, total = 0, await _total(database)
        last: UUID | None = None
        while projects := await _next(database, last):
            moved: Counter[str] = Counter()
            for project_id in projects:
                moved.update(await _looked_at(settings, database, project_id, clock()))
            done, last = done + len(projects), projects[-1]
            await run.say("judging", 100 * done // max(total, done), projects=len(projects), **moved)


async def _looked_at(
    settings: Settings, database: Database, project_id: UUID, at: datetime
) -> tuple[str, ...]:
    """One project that makes trouble of its own must not keep the others from being looked at."""
    try:
        stage = await look_at(settings, database, project_id, at)
    except Exception as error:
        if is_away(error):
            raise
        logger.opt(exception=error).error("project {} could not be judged", project_id)
        return ("failed",)
    return (stage,) if stage is not None else ()


async def look_at(settings: Settings, database: Database, project_id: UUID, at: datetime) -> str | None:
    """The stage that the project came to, if that is another one."""
    async with database.transaction() as session:
        if not await is_due(session, project_id, at):
            return None
    async with database.transaction() as session:
        return await advance(session, settings, project_id, at)


async def _next(database: Database, after: UUID | None) -> list[UUID]:
    async with database.transaction() as session:
        return list(await StateDAO(session).to_look_at(after, AT_ONCE))


async def _total(database: Database) -> int:
    async with database.transaction() as session:
        return await StateDAO(session).count_to_look_at()
