"""The periodic run that turns events and time into charges: reading out meters, rating, posting.

Each step works in batches, a transaction each, and begins where the one before ended, whoever did it: a run
that is cut off anywhere is gone on with by the next, and the result is the same to the minor unit.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from loguru import logger

from backend.billing.metering import events, posting
from backend.billing.metering.dao import ChargeDAO, MeterDAO, RatingDAO
from backend.billing.prices import notices, purchase, repricing
from backend.billing.runs.progress import SILENCE, Run, SomeFailed, begin
from backend.billing.traffic import rating as traffic
from backend.config import Settings
from backend.database import Database, is_away, now

METERS_AT_ONCE = 1_000
RECORDS_AT_ONCE = 200_000
CHARGES_AT_ONCE = 100


async def run(
    settings: Settings, database: Database, *, at: datetime | None = None, silence: timedelta = SILENCE
) -> None:
    """Charge for what was used up to now, or up to `at`.

    A service or a project that makes trouble of its own keeps no other from being charged; the run counts as
    failed nevertheless.
    """
    moment = events.whole(at or now())
    async with begin(database, "rating", silence=silence) as progress:
        if progress is None:
            return
        failures: list[str] = []
        for preparation in (notices.run(settings, database, moment), repricing.run(database, moment)):
            try:
                await preparation
            except SomeFailed as error:
                failures.append(str(error))
        await _catch_up(database, moment, progress)
        await read_out(database, moment, settings.billing_time_zone, progress)
        await rate(database, progress)
        await traffic.rate(database, moment)
        today = moment.astimezone(ZoneInfo(settings.billing_time_zone)).date()
        unposted = await post(database, today, progress)
        await purchase.release_ended(database, moment, but=unposted)
        if unposted:
            failures.append(f"{len(unposted)} projects could not be charged")
        if failures:
            raise SomeFailed("; ".join(failures))


async def _catch_up(database: Database, moment: datetime, progress: Run) -> None:
    after = None
    while True:
        async with database.transaction() as session:
            noted, after = await events.catch_up(session, moment, after)
        if after is None:
            return
        await progress.say("following", 5, services=noted)


async def read_out(database: Database, moment: datetime, zone: str, progress: Run | None = None) -> None:
    """Bring the records up to the last full hour; of what changed, up to the moment."""
    hour = moment.replace(minute=0, second=0)
    while True:
        async with database.transaction() as session:
            meters = MeterDAO(session)
            picked = await meters.pick(moment, hour, METERS_AT_ONCE)
            written = await meters.read_out(picked, moment, hour, zone) if picked else 0
        if not picked:
            return
        if progress is not None:
            await progress.say("metering", 20, meters=len(picked), records=written)


async def rate(database: Database, progress: Run | None = None) -> None:
    """Bring the charges up to the records."""
    first: int | None = None
    while True:
        async with database.transaction() as session:
            rating = RatingDAO(session)
            after, through, last = await rating.bounds(RECORDS_AT_ONCE)
            if through > after:
                await rating.rate(after, through)
        if through <= after:
            return
        first = after if first is None else first
        if progress is not None:
            share = (through - first) * 40 // (last - first)
            await progress.say("rating", 30 + share, rated=through - after)


async def post(database: Database, today: date, progress: Run | None = None) -> set[UUID]:
    """Post the charges of days that are over, and of what no longer runs, to the ledger; gives the projects
    for which that failed.
    """
    failed: set[UUID] = set()
    project_id = None
    while True:
        async with database.transaction() as session:
            project_id = await ChargeDAO(session).next_project(today, project_id)
        if project_id is None:
            return failed
        posted: int | None = CHARGES_AT_ONCE
        while posted == CHARGES_AT_ONCE:
            posted = await _posted(database, project_id, today)
            if posted is None:
                failed.add(project_id)
            if progress is not None:
                await progress.say("posting", 80, charges=posted or 0, failed=int(posted is None))


async def _posted(database: Database, project_id: UUID, today: date) -> int | None:
    """How many charges of the project's; None if there was trouble."""
    try:
        async with database.transaction() as session:
            return await posting.post(session, project_id, today, CHARGES_AT_ONCE)
    except Exception as error:
        if is_away(error):
            raise
        logger.opt(exception=error).error("project {} could not be charged", project_id)
        return None
