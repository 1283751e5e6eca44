"""A customer calls off work that was accepted."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.exceptions import NotFound
from backend.jobs import queue
from backend.jobs.dao import JobDAO
from backend.oauth.identity import Principal
from backend.projects.access import not_enough
from backend.roles.permissions import JOBS_WRITE
from backend.services.lifecycle import called_off


async def cancel(session: AsyncSession, principal: Principal, job_id: UUID) -> None:
    """Raises `NotFound` for other people's jobs, `Forbidden` when the role in the project is not enough,
    and `Conflict` when it is too late or not possible for this kind.
    """
    job = await JobDAO(session).get(job_id)
    if job is None or job.project_id not in principal.projects:
        raise NotFound("There is no such job.")
    if not principal.may(JOBS_WRITE, job.project_id):
        raise not_enough()
    await called_off(session, await queue.cancel(session, job_id))
