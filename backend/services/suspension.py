"""Stopping a service that nobody pays for, and letting it run again: accepting only, under its row lock.

What its customer wants of it stays written in `desired`, its data stays where it is; `suspended_at` decides
what the engine is held to (`docs/decisions/0029-dunning.md`).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.billing.metering.events import follow
from backend.jobs import queue
from backend.jobs.dao import JobDAO
from backend.jobs.models import Job, JobState
from backend.services.dao import ServiceDAO
from backend.services.lifecycle import called_off
from backend.services.models import Desired, Service, ServiceStatus
from backend.services.reasons import SUSPENDED
from backend.services.trail import record_about

SUSPEND = "service.suspend"
_WOULD_RUN = frozenset({"service.deploy", "service.rollback", "service.start", "service.restart"})


async def suspend(session: AsyncSession, service: Service, at: datetime) -> Job | None:
    """What would make it run is called off, and a job stops it. None if it stands still already."""
    if service.suspended_at is not None or service.status == ServiceStatus.DELETING:
        return None
    for job in await JobDAO(session).open_of(service.id):
        if job.kind in _WOULD_RUN:
            await queue.call_off(session, job)
            await called_off(session, job, SUSPENDED)
    service.suspended_at = at
    await ServiceDAO(session).flush()
    await follow(session, service, at=at)
    await record_about(session, service, Action.SERVICE_SUSPENDED)
    return await queue.accept(
        session, SUSPEND, project_id=service.project_id, user_id=None, service_id=service.id
    )


async def resume(session: AsyncSession, service: Service, at: datetime) -> Job | None:
    """It may run again. A job starts it, unless its customer had stopped it or it never stood still."""
    if service.suspended_at is None:
        return None
    service.suspended_at = None
    never_stopped = False
    for job in await JobDAO(session).open_of(service.id):
        if job.kind == SUSPEND:
            never_stopped = job.state == JobState.QUEUED and job.attempts == 0
            await queue.call_off(session, job)
    if service.status_reason_code == SUSPENDED.code:
        service.becomes(ServiceStatus(service.status))
    await ServiceDAO(session).flush()
    await follow(session, service, at=at)
    await record_about(session, service, Action.SERVICE_RESUMED)
    if service.desired != Desired.RUNNING or service.live_deployment_id is None or never_stopped:
        return None
    return await queue.accept(
        session, "service.start", project_id=service.project_id, user_id=None, service_id=service.id
    )
