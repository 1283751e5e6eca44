"""The job kind `cron.run`: one run of a cron job, in the release that is live when it begins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.backups.dao import RestoreDAO
from backend.config import Settings
from backend.cronjobs import letters, runs
from backend.cronjobs.dao import CronJobDAO, CronRunDAO, RunLines
from backend.cronjobs.models import CronJob, CronRun, RunState
from backend.cronjobs.scheduling import dispatch, runs_at_all
from backend.database import Database, now
from backend.engines.base import Engine, EngineError, ReleaseSpec, TaskResult, TaskSpec
from backend.engines.errors import Reason
from backend.engines.tasks import LOST
from backend.jobs.dao import JobDAO
from backend.jobs.runner import Claimed, JobError, Kind, LeaseLost
from backend.services.dao import ServiceDAO
from backend.services.deploylog import DeployLog
from backend.services.environment import Redactor
from backend.services.failures import reason_of, told
from backend.services.releasespec import release_of

TOLD_AFTER = 3
"""Failures in a row, after which a letter says so, once."""


@dataclass(slots=True)
class _Begun:
    run: CronRun
    release: ReleaseSpec
    seen_lines: int


class CronRuns:
    def __init__(self, settings: Settings, database: Database, engine: Engine) -> None:
        self._settings, self._database, self._engine = settings, database, engine

    def kinds(self) -> dict[str, Kind]:
        return {"cron.run": Kind(self.work, self.fail, self.cancel)}

    async def work(self, job: Claimed) -> None:
        begun = await self._begin(job)
        if begun is None:
            return
        run = begun.run
        redact = Redactor(begun.release.env.values())
        spec = TaskSpec(
            task_id=str(run.id),
            release=begun.release,
            command=run.command,
            timeout=run.timeout_seconds,
            seen_lines=begun.seen_lines,
        )
        try:
            async with DeployLog(self._database, run.id, redact, RunLines) as log:
                result = await self._engine.run_task(spec, log.write)
                await log.flush()
        except EngineError as error:
            raise told(error, redact) from None
        await self._end(job, _state_of(result), result.reason, result.exit_code)

    async def fail(self, job: Claimed, error: JobError) -> bool:
        await self._end(job, RunState.FAILED, reason_of(error))
        return True

    async def cancel(self, job: Claimed) -> bool:
        await self._end(job, RunState.CANCELLED, runs.CANCELLED)
        return True

    async def _begin(self, job: Claimed) -> _Begun | None:
        """None for a run that is over, or whose service stands still by now."""
        async with self._own(job) as (session, _, run):
            if run is None or RunState(run.state).final:
                return None
            if run.state == RunState.QUEUED:
                service = await ServiceDAO(session).get(run.service_id)
                restored = await RestoreDAO(session).under_way(run.service_id)
                if service is None or restored or not runs_at_all(service):
                    run.state, run.finished_at = RunState.SKIPPED, now()
                    runs.note(run, runs.STOPPED)
                    return None
                run.state, run.started_at = RunState.RUNNING, now()
                run.deployment_id = service.live_deployment_id
            release = None
            if run.deployment_id is not None:
                release = await release_of(session, run.deployment_id)
            if release is None:
                run.state, run.finished_at = RunState.LOST, now()
                runs.note(run, LOST)
                return None
            seen = await RunLines(session).last_seq(run.id)
            return _Begun(run, release, seen)

    async def _end(
        self, job: Claimed, state: RunState, reason: Reason | None, exit_code: int | None = None
    ) -> None:
        task_id: str | None = None
        async with self._own(job) as (session, cron_job, run):
            if run is None or cron_job is None:
                return
            task_id = str(run.id)
            if not RunState(run.state).final:
                if state is not RunState.CANCELLED or run.reason_code is None:
                    runs.note(run, reason)
                run.state, run.exit_code, run.finished_at = state, exit_code, now()
                await self._count(session, cron_job, run)
        # After what became of it is written: the engine forgets it now.
        try:
            await self._engine.stop_task(task_id)
        except EngineError as error:
            logger.warning("task {} is left to the sweep: {}", task_id, error.message)
        async with self._database.transaction() as session:
            await dispatch(session, self._settings)

    async def _count(self, session: AsyncSession, cron_job: CronJob, run: CronRun) -> None:
        if run.state == RunState.SUCCEEDED:
            cron_job.failures = 0
        elif run.state in (RunState.FAILED, RunState.LOST):
            cron_job.failures += 1
            if cron_job.failures == TOLD_AFTER and cron_job.notify:
                await letters.tell(session, self._settings, cron_job, run)

    @asynccontextmanager
    async def _own(self, job: Claimed) -> AsyncIterator[tuple[AsyncSession, CronJob | None, CronRun | None]]:
        """A transaction that commits only while the job is ours: the cron job is locked before it."""
        async with self._database.transaction() as session:
            found = await CronRunDAO(session).of_job(job.id)
            cron_job = await CronJobDAO(session).get_locked(found.cron_job_id) if found else None
            if not await JobDAO(session).write(job.id, job.fence):
                raise LeaseLost
            run = await CronRunDAO(session).get_locked(found.id) if found else None
            yield session, cron_job, run


def _state_of(result: TaskResult) -> RunState:
    if result.reason is None:
        return RunState.SUCCEEDED
    return RunState.LOST if result.reason.code == LOST.code else RunState.FAILED
