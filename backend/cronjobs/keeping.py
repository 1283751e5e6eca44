"""How long runs are kept, and the tasks in the engine that nobody waits for any more."""

from __future__ import annotations

from datetime import timedelta

from loguru import logger
from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession

from backend.cronjobs.dao import CronRunDAO
from backend.cronjobs.scheduling import KIND
from backend.database import Database, now
from backend.engines.base import Engine, EngineError
from backend.jobs.dao import JobDAO
from backend.jobs.models import OPEN, Job
from backend.services.dao import DeploymentDAO

RUNS_KEPT = timedelta(days=30)
JOBS_KEPT = timedelta(days=1)
"""Of a run nothing is in its job that the run itself does not say."""


async def prune(session: AsyncSession) -> int:
    return await CronRunDAO(session).prune(now() - RUNS_KEPT)


async def prune_jobs(session: AsyncSession) -> int:
    over = and_(Job.kind == KIND, Job.state.not_in(OPEN), Job.created_at < now() - JOBS_KEPT)
    return await JobDAO(session).delete_some(over)


async def stop_unwanted(database: Database, engine: Engine) -> None:
    """Tasks of runs and deployments that ended without them, as when the engine was away just then."""
    # First those that there are: what begins after that is in the database by then.
    there = await engine.tasks()
    if not there:
        return
    async with database.transaction() as session:
        wanted = await CronRunDAO(session).open_ids() | await DeploymentDAO(session).releasing()
    for task_id in there - {str(one) for one in wanted}:
        try:
            await engine.stop_task(task_id)
        except EngineError as error:
            logger.warning("task {} stays for now: {}", task_id, error.message)
