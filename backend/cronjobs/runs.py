"""Runs of a cron job come to be, and are called off. The cron job's row is locked by whoever asks."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.cronjobs.dao import CronJobDAO, CronRunDAO
from backend.cronjobs.models import CronJob, CronRun, Overlap, RunState
from backend.database import now
from backend.engines.errors import Reason
from backend.exceptions import Conflict
from backend.jobs import queue
from backend.jobs.dao import JobDAO
from backend.jobs.models import JobState
from backend.utils.ids import new_id

MOST_QUEUED = 10
"""Runs of one job that may wait; further times are passed over."""
OVERLAPS = Reason("cron_overlap", "The run before it was still going on.")
QUEUE_FULL = Reason("cron_queue_full", f"{MOST_QUEUED} runs were waiting already.", {"count": MOST_QUEUED})
REPLACED = Reason("cron_replaced", "The next run took its place.")
CANCELLED = Reason("cron_cancelled", "It was cancelled.")
STOPPED = Reason("cron_service_stopped", "The service was stopped.")


async def ask_for(
    session: AsyncSession,
    cron_job: CronJob,
    *,
    scheduled_for: datetime | None = None,
    user_id: UUID | None = None,
) -> UUID:
    """A run for that time, or by hand. What its overlap policy forbids is written down as skipped, and by
    hand raises `Conflict`."""
    waiting = await CronRunDAO(session).open_of(cron_job.id)
    why = _hindrance(cron_job, waiting)
    if why is not None and scheduled_for is None:
        raise Conflict(why.message, code=why.code)
    if why is not None:
        return await note_skipped(session, cron_job, scheduled_for, why)
    if cron_job.overlap == Overlap.REPLACE:
        for run in waiting:
            await call_off(session, run, REPLACED)
    return await _insert(session, cron_job, scheduled_for, state=RunState.QUEUED, user_id=user_id)


def _hindrance(cron_job: CronJob, waiting: Any) -> Reason | None:
    if cron_job.overlap == Overlap.SKIP and waiting:
        return OVERLAPS
    # Those that are being replaced wait too, until they have ended.
    return QUEUE_FULL if len(waiting) > MOST_QUEUED else None


async def note_skipped(
    session: AsyncSession, cron_job: CronJob, scheduled_for: datetime | None, why: Reason
) -> UUID:
    return await _insert(
        session,
        cron_job,
        scheduled_for,
        state=RunState.SKIPPED,
        finished_at=now(),
        reason_code=why.code,
        reason=why.message,
        reason_parameters=why.parameters or None,
    )


async def _insert(
    session: AsyncSession, cron_job: CronJob, scheduled_for: datetime | None, **values: Any
) -> UUID:
    run_id = new_id()
    await CronRunDAO(session).insert_once(
        {
            "id": run_id,
            "project_id": cron_job.project_id,
            "service_id": cron_job.service_id,
            "cron_job_id": cron_job.id,
            "trigger": "manual" if scheduled_for is None else "schedule",
            "scheduled_for": scheduled_for,
            "command": cron_job.command,
            "timeout_seconds": cron_job.timeout_seconds,
            "created_at": now(),
            **values,
        }
    )
    return run_id


async def call_off(session: AsyncSession, run: CronRun, why: Reason) -> None:
    """End a run that waits now; ask one that goes on to end, which its worker hears of within a second."""
    await CronJobDAO(session).get_locked(run.cron_job_id)
    job = await JobDAO(session).get_locked(run.job_id) if run.job_id is not None else None
    held = await CronRunDAO(session).get_locked(run.id)
    if held is None or RunState(held.state).final:
        return
    if job is not None:
        await queue.call_off(session, job)
    if held.reason_code is None:
        note(held, why)
    if job is None or job.state == JobState.CANCELLED:
        held.state, held.finished_at = RunState.CANCELLED, now()
    await CronRunDAO(session).flush()


def note(run: CronRun, why: Reason | None) -> None:
    run.reason_code = why.code if why else None
    run.reason = why.message[:2000] if why else None
    run.reason_parameters = (why.parameters or None) if why else None
