"""Statements over stacks and their services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, select

from backend.dao.base import BaseDAO
from backend.jobs.models import OPEN, Job
from backend.services.models import Deployment, Service
from backend.stacks.models import Stack, StackService

HAS_SERVICES = exists().where(
    StackService.stack_id == Stack.id,
    Service.id == StackService.service_id,
    Service.deleted_at.is_(None),
)


class StackDAO(BaseDAO[Stack]):
    model = Stack

    async def readable(self, stack_id: UUID, projects: Sequence[UUID], *, lock: bool = False) -> Stack | None:
        statement = select(Stack).where(Stack.id == stack_id, Stack.project_id.in_(projects), HAS_SERVICES)
        if lock:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return await self.one(statement)


class StackServiceDAO(BaseDAO[StackService]):
    model = StackService

    async def of(self, stack_id: UUID) -> Sequence[StackService]:
        """Those whose services are not deleted, in the order in which they were made."""
        statement = (
            select(StackService)
            .join(Service, Service.id == StackService.service_id)
            .where(StackService.stack_id == stack_id, Service.deleted_at.is_(None))
            .order_by(Service.id)
        )
        return await self.all(statement)

    async def services(self, stack_id: UUID, *, lock: bool = False) -> Sequence[Service]:
        """Likewise. Under lock always in this order: what is needed before what needs it."""
        statement = (
            select(Service)
            .join(StackService, StackService.service_id == Service.id)
            .where(StackService.stack_id == stack_id, Service.deleted_at.is_(None))
            .order_by(Service.id)
        )
        if lock:
            statement = statement.with_for_update(key_share=True, of=Service)
        rows = await self.rows(statement.execution_options(populate_existing=True))
        return [row.Service for row in rows]

    async def stack_of(self, service_id: UUID) -> Row[Any] | None:
        """The stack that has the service, and as which part."""
        statement = (
            select(Stack, StackService.part)
            .join(StackService, StackService.stack_id == Stack.id)
            .where(StackService.service_id == service_id)
        )
        return await self.row(statement)

    async def standings(self, stack_id: UUID) -> Sequence[Row[Any]]:
        """Of each service: its newest deployment, and the job that is to do something about it."""
        newest = (
            select(Deployment.id)
            .where(Deployment.service_id == Service.id)
            .order_by(Deployment.number.desc())
            .limit(1)
            .correlate(Service)
            .scalar_subquery()
        )
        statement = (
            select(
                StackService.part,
                StackService.needs,
                Service,
                Deployment.id.label("deployment_id"),
                Deployment.state,
                Deployment.reason,
                Deployment.reason_code,
                Deployment.reason_parameters,
                Job.id.label("job_id"),
                Job.run_at,
            )
            .select_from(StackService)
            .join(Service, Service.id == StackService.service_id)
            .outerjoin(Deployment, Deployment.id == newest)
            .outerjoin(Job, (Job.deployment_id == Deployment.id) & Job.state.in_(OPEN))
            .where(StackService.stack_id == stack_id, Service.deleted_at.is_(None))
            .order_by(Service.id)
        )
        return await self.rows(statement.execution_options(populate_existing=True))
