"""One worker watches many runs at once: all that it does for one is to wait for the engine."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from loguru import logger

from backend.cronjobs.scheduling import KIND
from backend.database import LOST, Database
from backend.jobs import runner
from backend.jobs.dao import JobDAO
from backend.jobs.runner import Kind

QUEUE = "cron"
AT_ONCE = 50
LOOK_SECONDS = 1.0


async def serve(job_id: UUID, database: Database, kinds: dict[str, Kind], lease: timedelta) -> None:
    """Do the job, and beside it those that come to wait until none is left. Who claims one has it."""
    running: dict[UUID, asyncio.Task[object]] = {}
    waiting = [job_id]
    while running or waiting:
        for one in waiting:
            if one not in running and len(running) < AT_ONCE:
                running[one] = asyncio.create_task(runner.run(one, database, kinds, lease))
        if running:
            await asyncio.wait(running.values(), timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for one in [one for one, task in running.items() if task.done()]:
            _settle(running.pop(one))
        waiting = await _waiting(database) if running else []


async def _waiting(database: Database) -> list[UUID]:
    try:
        async with database.transaction() as session:
            return await JobDAO(session).waiting(KIND, AT_ONCE)
    except LOST:
        return []


def _settle(task: asyncio.Task[object]) -> None:
    if (error := task.exception()) is not None:
        # As when a worker dies: the lease runs out, and the relay finds it.
        logger.warning("a cron run was interrupted: {}", type(error).__name__)
