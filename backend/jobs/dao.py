"""Statements over `jobs`: accepting, claiming under lease and fence, relaying, ending."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, exists, func, or_, select, update
from sqlalchemy.orm import aliased

from backend.dao.base import BaseDAO
from backend.database import now
from backend.jobs.models import OPEN, Job, JobState
from backend.services.models import Service

BUILDS = "service.deploy"
"""The kind of jobs that take long, and that one project may queue many of."""


class JobDAO(BaseDAO[Job]):
    model = Job

    async def open_of(self, service_id: UUID) -> Sequence[Job]:
        """Queued and running jobs of a service, oldest first, under lock."""
        statement = select(Job).where(Job.service_id == service_id, Job.state.in_(OPEN)).order_by(Job.id)
        return await self.all(statement.with_for_update().execution_options(populate_existing=True))

    async def is_open(self, job_id: UUID | None) -> bool:
        open_one = exists().where(Job.id == job_id, Job.state.in_(OPEN))
        return bool(await self.scalar(select(open_one)))

    async def lock_service(self, service_id: UUID) -> None:
        """Always before a lock on its jobs, and those before its deployments: the other order deadlocks."""
        await self.scalar(select(Service.id).where(Service.id == service_id).with_for_update(key_share=True))

    async def claim(self, job_id: UUID, lease: timedelta) -> Row[Any] | None:
        """Make the job running and ours, unless it is not due, not queued, or its service is busy."""
        other = aliased(Job)
        busy = exists().where(
            other.service_id == Job.service_id,
            or_(
                other.state == JobState.RUNNING,
                and_(other.state == JobState.QUEUED, other.id < Job.id),
            ),
        )
        moment = now()
        due = (
            select(Job.id)
            .where(Job.id == job_id, Job.state == JobState.QUEUED, Job.run_at <= moment, ~busy)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        statement = (
            update(Job)
            .where(Job.id == due)
            .values(
                state=JobState.RUNNING,
                fence=Job.fence + 1,
                attempts=Job.attempts + 1,
                lease_until=moment + lease,
                started_at=func.coalesce(Job.started_at, moment),
            )
            .returning(
                Job.id,
                Job.kind,
                Job.fence,
                Job.attempts,
                Job.project_id,
                Job.service_id,
                Job.deployment_id,
                Job.cancel_requested_at,
            )
        )
        return await self.row(statement)

    async def fairest(self, job_id: UUID) -> UUID:
        """The deployment whose turn it is, where the broker names one: of the project with the fewest that
        run, then of the one whose last began longest ago. So nobody waits behind all that another queued.

        Other jobs, and ones that nothing waits in place of, are given back.
        """
        other, mine = aliased(Job), aliased(Job)
        of_project = (mine.project_id == Job.project_id, mine.kind == BUILDS)
        running = select(func.count()).where(*of_project, mine.state == JobState.RUNNING).scalar_subquery()
        lately = now() - timedelta(days=1)
        last = (
            select(func.max(mine.started_at)).where(*of_project, mine.created_at > lately).scalar_subquery()
        )
        busy = exists().where(
            other.service_id == Job.service_id,
            or_(other.state == JobState.RUNNING, and_(other.state == JobState.QUEUED, other.id < Job.id)),
        )
        asked = aliased(Job)
        queue = select(asked.queue).where(asked.id == job_id, asked.kind == BUILDS).scalar_subquery()
        statement = (
            select(Job.id)
            .where(
                Job.kind == BUILDS,
                Job.queue == queue,
                Job.state == JobState.QUEUED,
                Job.run_at <= now(),
                ~busy,
            )
            .order_by(running, last.asc().nulls_first(), Job.id)
            .limit(1)
            # Two turns at once are two deployments.
            .with_for_update(skip_locked=True, of=Job)
        )
        found: UUID | None = await self.scalar(statement)
        return found or job_id

    async def extend(self, job_id: UUID, fence: int, until: datetime) -> Row[Any] | None:
        """Prolong the lease; None when the job is no longer ours."""
        return await self.row(
            update(Job)
            .where(Job.id == job_id, Job.fence == fence, Job.state == JobState.RUNNING)
            .values(lease_until=until)
            .returning(Job.cancel_requested_at)
        )

    async def write(self, job_id: UUID, fence: int, **values: Any) -> bool:
        """Change the running job, or only lock its row, if it is still ours; tells those who watch it."""
        touched = await self.execute(
            update(Job)
            .where(Job.id == job_id, Job.fence == fence, Job.state == JobState.RUNNING)
            .values(**values or {"state": JobState.RUNNING})
        )
        if touched and values:
            await self.notify("job", str(job_id))
        return bool(touched)

    async def lapsed(self, limit: int) -> Sequence[Job]:
        """Running jobs whose lease ran out: their worker is gone."""
        statement = select(Job).where(Job.state == JobState.RUNNING, Job.lease_until < now())
        return await self.all(statement.limit(limit).with_for_update(skip_locked=True))

    async def unpublished(self, least: timedelta, most: timedelta, limit: int) -> Sequence[Row[Any]]:
        """Mark and return queued jobs that are due and were not (or too long ago) given to the broker."""
        moment = now()
        waited = Job.published_at - Job.created_at
        patience = func.least(most, func.greatest(least, waited))
        due = (
            select(Job.id)
            .where(
                Job.state == JobState.QUEUED,
                Job.run_at <= moment,
                or_(Job.published_at.is_(None), Job.published_at < moment - patience),
            )
            .order_by(Job.run_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return await self.rows(
            update(Job)
            .where(Job.id.in_(due.scalar_subquery()))
            .values(published_at=moment)
            .returning(Job.id, Job.queue)
        )

    async def waiting(self, kind: str, limit: int) -> list[UUID]:
        """Those of a kind that are due, oldest first."""
        due = (Job.kind == kind, Job.state == JobState.QUEUED, Job.run_at <= now())
        statement = select(Job.id).where(*due).order_by(Job.run_at).limit(limit)
        return [row.id for row in await self.rows(statement)]

    async def next_of(self, service_id: UUID) -> Row[Any] | None:
        """The oldest queued job of a service: what runs when the present one ends."""
        statement = (
            select(Job.id, Job.queue)
            .where(Job.service_id == service_id, Job.state == JobState.QUEUED)
            .order_by(Job.id)
            .limit(1)
        )
        return await self.row(statement)
