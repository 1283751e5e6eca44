"""Statements over cron jobs, their runs, and the runs' lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, delete, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from backend.cronjobs.models import OPEN_RUNS, CronJob, CronRun, CronRunLine, RunState
from backend.dao.base import BaseDAO
from backend.dao.lines import LineDAO
from backend.projects.models import ProjectMember
from backend.services.models import Desired, Service, ServiceStatus
from backend.users.models import User

_OPEN = tuple(str(state) for state in OPEN_RUNS)


class CronJobDAO(BaseDAO[CronJob]):
    model = CronJob

    async def readable(self, cron_job_id: UUID, projects: Sequence[UUID]) -> CronJob | None:
        statement = (
            select(CronJob)
            .join(Service, Service.id == CronJob.service_id)
            .where(CronJob.id == cron_job_id, CronJob.project_id.in_(projects), Service.deleted_at.is_(None))
        )
        return await self.one(statement)

    async def count_of(self, service_id: UUID) -> int:
        statement = select(func.count()).where(CronJob.service_id == service_id)
        counted: int = await self.scalar(statement)
        return counted

    async def named(self, service_id: UUID, name: str) -> CronJob | None:
        return await self.one(select(CronJob).where(CronJob.service_id == service_id, CronJob.name == name))

    async def due(self, moment: datetime, limit: int) -> list[tuple[CronJob, Service]]:
        """Under lock, with their services: whose row somebody holds is left for the next round."""
        statement = (
            select(CronJob, Service)
            .join(Service, Service.id == CronJob.service_id)
            .where(CronJob.next_run_at <= moment)
            .order_by(CronJob.next_run_at)
            .limit(limit)
            .with_for_update(skip_locked=True, key_share=True)
        )
        found: Sequence[Any] = await self.rows(statement.execution_options(populate_existing=True))
        return [(row[0], row[1]) for row in found]

    async def forget(self, service_id: UUID) -> None:
        """With their runs and what those printed."""
        await self.execute(delete(CronJob).where(CronJob.service_id == service_id))

    async def people_of(self, project_id: UUID) -> Sequence[Row[Any]]:
        """Who is told when a job keeps failing: whoever may mend it."""
        statement = (
            select(User.id, User.email, User.name, User.locale)
            .join(ProjectMember, ProjectMember.user_id == User.id)
            .where(
                ProjectMember.project_id == project_id,
                ProjectMember.role.in_(("owner", "developer")),
                User.is_active,
            )
            .order_by(User.id)
        )
        return await self.rows(statement)


class CronRunDAO(BaseDAO[CronRun]):
    model = CronRun

    async def readable(self, run_id: UUID, projects: Sequence[UUID]) -> CronRun | None:
        statement = (
            select(CronRun)
            .join(Service, Service.id == CronRun.service_id)
            .where(CronRun.id == run_id, CronRun.project_id.in_(projects), Service.deleted_at.is_(None))
        )
        return await self.one(statement)

    async def of_job(self, job_id: UUID) -> CronRun | None:
        return await self.one(select(CronRun).where(CronRun.job_id == job_id))

    async def open_of(self, cron_job_id: UUID) -> Sequence[CronRun]:
        """Oldest first, under lock."""
        return await self._open(CronRun.cron_job_id == cron_job_id)

    async def open_of_service(self, service_id: UUID) -> Sequence[CronRun]:
        return await self._open(CronRun.service_id == service_id)

    async def _open(self, condition: Any) -> Sequence[CronRun]:
        statement = select(CronRun).where(condition, CronRun.state.in_(_OPEN)).order_by(CronRun.id)
        return await self.all(statement.with_for_update().execution_options(populate_existing=True))

    async def insert_once(self, values: dict[str, Any]) -> bool:
        """False for a time that has its run already."""
        statement = insert(CronRun).values(**values).on_conflict_do_nothing().returning(CronRun.id)
        return await self.scalar(statement) is not None

    async def to_dispatch(self, per_project: int, limit: int) -> Sequence[CronRun]:
        """Runs whose turn it is: the oldest of each job, one at a time, and so many of each project."""
        other, older = aliased(CronRun), aliased(CronRun)
        given = and_(CronRun.state.in_(_OPEN), CronRun.job_id.is_not(None))
        busy = (
            select(CronRun.project_id, func.count().label("count"))
            .where(given)
            .group_by(CronRun.project_id)
            .subquery()
        )
        blocked = exists().where(
            other.cron_job_id == CronRun.cron_job_id, other.state.in_(_OPEN), other.job_id.is_not(None)
        )
        behind = exists().where(
            older.cron_job_id == CronRun.cron_job_id,
            older.state == RunState.QUEUED,
            older.job_id.is_(None),
            older.id < CronRun.id,
        )
        place = func.row_number().over(partition_by=CronRun.project_id, order_by=CronRun.id)
        waiting = (
            select(CronRun.id, (place + func.coalesce(busy.c.count, 0)).label("place"))
            .outerjoin(busy, busy.c.project_id == CronRun.project_id)
            .where(CronRun.state == RunState.QUEUED, CronRun.job_id.is_(None), ~blocked, ~behind)
            .subquery()
        )
        turn = select(waiting.c.id).where(waiting.c.place <= per_project).scalar_subquery()
        statement = select(CronRun).where(CronRun.id.in_(turn)).order_by(CronRun.id).limit(limit)
        return await self.all(statement.execution_options(populate_existing=True))

    async def standing_still(self) -> Sequence[CronRun]:
        """Open runs of services that shall not run any more, and that were not asked to end yet."""
        stands_still = or_(
            Service.deleted_at.is_not(None),
            Service.status == ServiceStatus.DELETING,
            Service.desired != Desired.RUNNING,
            Service.suspended_at.is_not(None),
        )
        statement = (
            select(CronRun)
            .join(Service, Service.id == CronRun.service_id)
            .where(CronRun.state.in_(_OPEN), CronRun.reason_code.is_(None), stands_still)
            .order_by(CronRun.id)
            .limit(500)
        )
        return await self.all(statement)

    async def open_ids(self) -> set[UUID]:
        return {row.id for row in await self.rows(select(CronRun.id).where(CronRun.state.in_(_OPEN)))}

    async def trim(self, cron_job_id: UUID, kept: int) -> None:
        """Leave the newest of those that are over."""
        over = (CronRun.cron_job_id == cron_job_id, CronRun.state.not_in(_OPEN))
        old: Any = (
            select(CronRun.id)
            .where(*over)
            .order_by(CronRun.created_at.desc(), CronRun.id.desc())
            .offset(kept)
            .scalar_subquery()
        )
        await self.execute(delete(CronRun).where(CronRun.id.in_(old)))

    async def prune(self, before: datetime) -> int:
        return await self.delete_some(and_(CronRun.created_at < before, CronRun.state.not_in(_OPEN)))


class RunLines(LineDAO):
    model = CronRunLine
    owner = "run_id"
    channel = "cron_run_log"
