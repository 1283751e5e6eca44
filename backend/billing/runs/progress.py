"""A periodic task of billing says what it does, so that administrators see how far it is.

    async with runs.begin(database, "invoicing", period="2026-11") as run:
        if run is None:
            return
        await run.say("issuing", 40, invoices=12)

One of a kind at a time. The work itself must be safe to run twice at once and to be cut off anywhere: that is
what its own locks and keys are for; the run's row is for people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Literal
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.runs.dao import RunDAO
from backend.billing.runs.models import BillingRun, RunState
from backend.database import Database, is_away, now

Kind = Literal["rating", "invoicing", "dunning", "payments"]
SILENCE = timedelta(minutes=2)
"""After which a run that says nothing has lost its worker."""
KEPT = timedelta(days=90)
UNEXPECTED = "Something went wrong; the log says what. The next run goes on."


class SomeFailed(Exception):
    """All others are done; the next run tries these again."""


class RunLost(Exception):
    """Another worker took this one for dead and does its work."""


class Run:
    def __init__(self, database: Database, run_id: UUID) -> None:
        self._database, self.id = database, run_id
        self.counts: Counter[str] = Counter()

    async def say(self, step: str, percent: int, **done: int) -> None:
        """How far it is; `done` is added to the counts. Raises `RunLost`."""
        self.counts.update({name: count for name, count in done.items() if count})
        await self._write(step=step, progress=min(max(percent, 0), 100), counts=dict(self.counts))

    async def end(self, state: RunState, error: str | None = None) -> None:
        done = {"progress": 100, "step": None} if state is RunState.SUCCEEDED else {}
        await self._write(state=state, finished_at=now(), error=error, counts=dict(self.counts), **done)

    async def _write(self, **values: object) -> None:
        async with self._database.transaction() as session:
            if not await RunDAO(session).write(self.id, **values):
                raise RunLost


@asynccontextmanager
async def begin(
    database: Database, kind: Kind, *, period: str | None = None, silence: timedelta = SILENCE
) -> AsyncIterator[Run | None]:
    """A run of that kind, or None while another is at work. Errors end it as failed and are raised on."""
    async with database.transaction() as session:
        runs = RunDAO(session)
        if await runs.interrupt(kind, now() - silence):
            logger.warning("the last run of {} was interrupted; going on", kind)
        run_id = await runs.open(kind, period)
    if run_id is None:
        yield None
        return
    run = Run(database, run_id)
    try:
        yield run
        await run.end(RunState.SUCCEEDED)
    except RunLost:
        logger.warning("{} went to another worker", kind)
    except Exception as error:
        if not is_away(error):
            logger.opt(exception=error).error("{} failed", kind)
            await run.end(RunState.FAILED, UNEXPECTED)
        raise
    else:
        async with database.transaction() as session:
            await RunDAO(session).forget_empty(kind, but=run_id)


async def prune(session: AsyncSession) -> int:
    """Runs that nobody asks about any more."""
    return await RunDAO(session).delete_some(BillingRun.started_at < now() - KEPT)
