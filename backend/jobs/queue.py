"""Accepting work, and calling it off."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.database import now
from backend.exceptions import Conflict, NotFound
from backend.jobs.dao import JobDAO
from backend.jobs.models import Job, JobState
from backend.jobs.publisher import publish_later

QUEUE_OF = {
    "service.deploy": "deploy",
    "service.rollback": "deploy",
    "service.start": "deploy",
    "service.stop": "deploy",
    "service.restart": "deploy",
    "service.suspend": "deploy",
    "service.scale": "deploy",
    "service.delete": "deploy",
    "cron.run": "cron",
    "backup.make": "backups",
    "backup.verify": "backups",
    "backup.restore": "backups",
    "payment.collect": "billing",
    "payment.refund": "billing",
    "payment.setup": "billing",
    "domain.check": "domains",
    "domain.certificate": "domains",
    "domain.apply": "domains",
    "domain.remove": "domains",
}
RUN = "jobs.run"
NOBODYS = frozenset(
    {"service.delete", "service.suspend", "cron.run", "payment.collect", "payment.refund", "payment.setup"}
)
"""Nobody calls these off."""
CANCELLABLE_WHILE_RUNNING = frozenset(
    {"service.deploy", "service.rollback", "backup.make", "backup.verify", "backup.restore"}
)


async def accept(
    session: AsyncSession,
    kind: str,
    *,
    project_id: UUID,
    user_id: UUID | None,
    service_id: UUID | None = None,
    deployment_id: UUID | None = None,
) -> Job:
    """Write the job into the caller's transaction; it is published once that commits."""
    job = Job(
        kind=kind,
        queue=QUEUE_OF[kind],
        state=JobState.QUEUED,
        project_id=project_id,
        user_id=user_id,
        service_id=service_id,
        deployment_id=deployment_id,
        published_at=now(),
    )
    await JobDAO(session).add(job)
    publish_later(session, RUN, job.id, job.queue)
    return job


async def call_off(session: AsyncSession, job: Job) -> None:
    """End a queued job now; ask a running one to end. The job's row must be locked by the caller."""
    dao = JobDAO(session)
    if job.state == JobState.QUEUED and job.attempts == 0:
        job.state, job.finished_at = JobState.CANCELLED, now()
    job.cancel_requested_at = job.cancel_requested_at or now()
    job.run_at = min(job.run_at, now())
    await dao.flush()
    await dao.notify("job", str(job.id))


async def cancel(session: AsyncSession, job_id: UUID) -> Job:
    """What a customer asks for. Raises `Conflict` when it is too late or not possible for this kind."""
    job = await JobDAO(session).get_locked(job_id)
    if job is None:
        raise NotFound("There is no such job.")
    if _done(job):
        raise Conflict("The job has already done its work.", code="job_ended")
    if not cancellable(job):
        raise Conflict("This job cannot be cancelled once it runs.", code="job_not_cancellable")
    await call_off(session, job)
    await trail.record(
        session,
        Action.JOB_CANCELLED,
        object_type="job",
        object_id=job.id,
        object_name=job.kind,
        project_id=job.project_id,
    )
    return job


def cancellable(job: Job) -> bool:
    if job.cancel_requested_at is not None or job.kind in NOBODYS:
        return False
    if job.state == JobState.QUEUED and job.attempts == 0:
        return True
    return not _done(job) and job.kind in CANCELLABLE_WHILE_RUNNING


def _done(job: Job) -> bool:
    """Its effect is there, though it may still be cleaning up."""
    return JobState(job.state).final or job.progress == 100
