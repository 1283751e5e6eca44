"""Statements over services, their variables, deployments and orders.

Everything a person reads goes through `readable`, the ownership filter: membership in the project.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, and_, case, delete, exists, func, insert, or_, select, update

from backend.dao.base import BaseDAO
from backend.jobs.models import Job, JobState
from backend.services.models import (
    ENDED_BADLY,
    Deployment,
    DeploymentLogLine,
    DeploymentState,
    Desired,
    Order,
    Service,
    ServiceStatus,
    ServiceVariable,
)


class ServiceDAO(BaseDAO[Service]):
    model = Service

    async def readable(
        self, service_id: UUID, projects: Sequence[UUID], *, lock: bool = False
    ) -> Service | None:
        statement = select(Service).where(
            Service.id == service_id, Service.project_id.in_(projects), Service.deleted_at.is_(None)
        )
        return await self.one(statement.with_for_update() if lock else statement)

    async def count_of(self, project_id: UUID) -> int:
        statement = select(func.count()).where(Service.project_id == project_id, Service.deleted_at.is_(None))
        counted: int = await self.scalar(statement)
        return counted

    async def name_taken(self, name: str) -> bool:
        statement = select(Service.id).where(Service.name == name, Service.deleted_at.is_(None))
        return await self.scalar(statement) is not None

    async def routes(self) -> list[tuple[str, str | None]]:
        """Name and `host:port` of all services that the edge shall answer for.

        None instead of the address of one that should run and does not: its port may be somebody else's.
        """
        asked = Service.routed_deployment_id.is_distinct_from(Service.live_deployment_id)
        answers = or_(Service.status == ServiceStatus.RUNNING, asked)
        should = and_(Service.desired == Desired.RUNNING, Service.live_deployment_id.is_not(None))
        statement = (
            select(Service.name, case((answers, Deployment.address)).label("address"))
            .outerjoin(Deployment, Deployment.id == Service.routed_deployment_id)
            .where(Service.deleted_at.is_(None), or_(Service.routed_deployment_id.is_not(None), should))
        )
        return [(row.name, row.address) for row in await self.rows(statement)]

    async def kept(self) -> Sequence[Service]:
        """All services that are not deleted: what the reconciler walks."""
        return await self.all(select(Service).where(Service.deleted_at.is_(None)))

    async def busy(self, service_id: UUID) -> bool:
        """Whether a job works on the service right now, or is about to."""
        statement = select(
            exists().where(Job.service_id == service_id, Job.state.in_((JobState.RUNNING, JobState.QUEUED)))
        )
        return bool(await self.scalar(statement))

    async def unchanged(self, service_id: UUID, since: datetime) -> bool:
        statement = select(exists().where(Service.id == service_id, Service.updated_at == since))
        return bool(await self.scalar(statement))


class VariableDAO(BaseDAO[ServiceVariable]):
    model = ServiceVariable

    async def of(self, service_id: UUID) -> Sequence[ServiceVariable]:
        statement = select(ServiceVariable).where(ServiceVariable.service_id == service_id)
        return await self.all(statement.order_by(ServiceVariable.name))

    async def replace(self, service_id: UUID, kept: Sequence[str], sealed: dict[str, str]) -> None:
        """Delete all but `kept`, then insert `sealed`."""
        await self.execute(
            delete(ServiceVariable).where(
                ServiceVariable.service_id == service_id, ServiceVariable.name.not_in(kept)
            )
        )
        rows = [{"service_id": service_id, "name": name, "sealed": value} for name, value in sealed.items()]
        if rows:
            await self.execute(insert(ServiceVariable), rows)

    async def remove_all(self, service_id: UUID) -> None:
        await self.execute(delete(ServiceVariable).where(ServiceVariable.service_id == service_id))


class DeploymentDAO(BaseDAO[Deployment]):
    model = Deployment

    async def readable(
        self, deployment_id: UUID, projects: Sequence[UUID]
    ) -> Row[tuple[Deployment, Service, UUID | None]] | None:
        """The deployment, its service, and the newest job about it."""
        newest = (
            select(Job.id).where(Job.deployment_id == Deployment.id).order_by(Job.id.desc()).limit(1)
        ).scalar_subquery()
        statement = (
            select(Deployment, Service, newest)
            .join(Service, Service.id == Deployment.service_id)
            .where(
                Deployment.id == deployment_id,
                Service.project_id.in_(projects),
                Service.deleted_at.is_(None),
            )
        )
        return await self.row(statement)

    async def queued_of(self, service_id: UUID) -> Sequence[Deployment]:
        statement = select(Deployment).where(
            Deployment.service_id == service_id, Deployment.state == DeploymentState.QUEUED
        )
        return await self.all(statement.with_for_update())

    async def went_live(self, service_id: UUID) -> Sequence[UUID]:
        """Ids of releases that once served, newest first."""
        statement = (
            select(Deployment.id)
            .where(Deployment.service_id == service_id, Deployment.state == DeploymentState.LIVE)
            .order_by(Deployment.number.desc())
        )
        return [row.id for row in await self.rows(statement)]

    async def environments(self, service_id: UUID, limit: int) -> Sequence[tuple[UUID, str]]:
        """Id and sealed variables of the newest releases."""
        statement = (
            select(Deployment.id, Deployment.environment)
            .where(Deployment.service_id == service_id, Deployment.environment.is_not(None))
            .order_by(Deployment.number.desc())
            .limit(limit)
        )
        return [(row.id, row.environment) for row in await self.rows(statement)]

    async def started(self, ids: Sequence[UUID]) -> dict[UUID, tuple[int, str | None]]:
        """Number of each, and when it was first started."""
        statement = select(Deployment.id, Deployment.number, Deployment.steps).where(Deployment.id.in_(ids))
        return {
            row.id: (
                row.number,
                next((step["started_at"] for step in row.steps if step["name"] == "releasing"), None),
            )
            for row in await self.rows(statement)
        }

    async def wanted(self, kept: int) -> Sequence[UUID]:
        """Of services that are not deleted: what is on its way, what serves, and the newest that served."""
        place = func.row_number().over(
            partition_by=(Deployment.service_id, Deployment.state == DeploymentState.LIVE),
            order_by=Deployment.number.desc(),
        )
        ranked = (
            select(
                Deployment.id,
                Deployment.state,
                (Service.live_deployment_id == Deployment.id).label("serves"),
                place.label("place"),
            )
            .join(Service, Service.id == Deployment.service_id)
            .where(Service.deleted_at.is_(None), Deployment.state.not_in(ENDED_BADLY))
            .subquery()
        )
        statement = select(ranked.c.id).where(
            or_(ranked.c.state != DeploymentState.LIVE, ranked.c.serves, ranked.c.place <= kept)
        )
        return [row.id for row in await self.rows(statement)]

    async def forget(self, service_id: UUID) -> None:
        """Drop what a deleted service's deployments hold of secrets and logs."""
        ids = select(Deployment.id).where(Deployment.service_id == service_id)
        await self.execute(delete(DeploymentLogLine).where(DeploymentLogLine.deployment_id.in_(ids)))
        await self.execute(
            update(Deployment)
            .where(Deployment.service_id == service_id)
            .values(environment=None, address=None)
        )


class OrderDAO(BaseDAO[Order]):
    model = Order
