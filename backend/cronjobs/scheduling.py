"""What is due is claimed in the database, once whoever looks; whose turn it is becomes a job.

Locks are taken in this order everywhere: service, cron job, job, run.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import Settings
from backend.cronjobs import runs
from backend.cronjobs.dao import CronJobDAO, CronRunDAO
from backend.cronjobs.models import CronJob, RunState
from backend.cronjobs.schedule import Schedule, ScheduleError, zone_of
from backend.database import Database, now
from backend.engines.errors import Reason
from backend.jobs import queue
from backend.services.models import Service, ServiceStatus

KIND = "cron.run"
BATCH = 200
PUNCTUAL = timedelta(seconds=90)
"""Later than this, nobody looked when it was due: the time was missed."""
MISSED = Reason("cron_missed", "Nobody could run it when it was due, and it is not made up for.")


async def tick(settings: Settings, database: Database, moment: datetime | None = None) -> None:
    """One look at everything; several at once are as good as one. `moment` is for tests."""
    moment = moment or now()
    while await _claim(settings, database, moment) == BATCH:
        pass
    async with database.transaction() as session:
        for run in await CronRunDAO(session).standing_still():
            await runs.call_off(session, run, runs.STOPPED)
    async with database.transaction() as session:
        await dispatch(session, settings)


async def _claim(settings: Settings, database: Database, moment: datetime) -> int:
    async with database.transaction() as session:
        due = await CronJobDAO(session).due(moment, BATCH)
        for cron_job, service in due:
            await _take_up(session, settings, cron_job, service, moment)
        return len(due)


async def _take_up(
    session: AsyncSession, settings: Settings, cron_job: CronJob, service: Service, moment: datetime
) -> None:
    """The newest of its times that are over; what was before that is missed."""
    due = cron_job.next_run_at
    assert due is not None
    zone = zone_of(cron_job.time_zone)
    try:
        if zone is None:
            raise ScheduleError("time_zone_unknown", f"{cron_job.time_zone} is no time zone any more.")
        schedule = Schedule(cron_job.schedule, zone)
    except ScheduleError as error:
        logger.warning("cron job {} is never due again: {}", cron_job.id, error)
        cron_job.next_run_at = None
        return
    newest = schedule.newest(due, moment)
    cron_job.next_run_at = schedule.next(moment)
    if not runs_at_all(service):
        return
    if moment - newest > PUNCTUAL and not cron_job.catch_up:
        await runs.note_skipped(session, cron_job, newest, MISSED)
    else:
        await runs.ask_for(session, cron_job, scheduled_for=newest)
    await CronRunDAO(session).trim(cron_job.id, settings.cron_runs_kept)


def runs_at_all(service: Service) -> bool:
    """Cron jobs of a service that was never live, or stands still, do not run."""
    alive = service.deleted_at is None and service.status != ServiceStatus.DELETING
    return alive and service.should_run and service.live_deployment_id is not None


async def dispatch(session: AsyncSession, settings: Settings) -> None:
    """Give jobs to the runs whose turn it is. Somebody else who does it now sees the same ones."""
    dao = CronRunDAO(session)
    if not await dao.try_lock("cronjobs.dispatch"):
        return
    for run in await dao.to_dispatch(settings.cron_runs_per_project, BATCH):
        assert run.state == RunState.QUEUED
        job = await queue.accept(session, KIND, project_id=run.project_id, user_id=run.user_id)
        run.job_id = job.id
    await dao.flush()
