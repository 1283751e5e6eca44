"""Statements over services, their variables, deployments and orders.

Everything a person reads goes through `readable`, the ownership filter: membership in the project.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, case, delete, exists, func, insert, or_, select, update

from backend.dao.base import BaseDAO
from backend.jobs.models import Job, JobState
from backend.services.models import (
    FINAL,
    SERVED,
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

    async def previews_of(self, service_id: UUID) -> Sequence[Service]:
        """Under lock: its previews that nobody deletes yet."""
        statement = select(Service).where(
            Service.preview_of == service_id,
            Service.deleted_at.is_(None),
            Service.status != ServiceStatus.DELETING,
        )
        return await self.all(statement.order_by(Service.id).with_for_update(key_share=True))

    async def name_taken(self, name: str) -> bool:
        statement = select(Service.id).where(Service.name == name, Service.deleted_at.is_(None))
        return await self.scalar(statement) is not None

    async def routes(self) -> list[tuple[str, list[str]]]:
        """Name and each `host:port` of all services that the edge shall answer for.

        Not of those that are for their project only, and none of the addresses of one that should run and
        does not: its port may be somebody else's.
        """
        asked = Service.routed_deployment_id.is_distinct_from(Service.live_deployment_id)
        answers = or_(Service.status == ServiceStatus.RUNNING, asked)
        should = and_(Service.desired == Desired.RUNNING, Service.live_deployment_id.is_not(None))
        statement = (
            select(Service.name, case((answers, Deployment.addresses)).label("addresses"))
            .outerjoin(Deployment, Deployment.id == Service.routed_deployment_id)
            .where(Service.deleted_at.is_(None), or_(Service.routed_deployment_id.is_not(None), should))
            .where(Service.public)
        )
        return [(row.name, row.addresses or []) for row in await self.rows(statement)]

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

    async def releasing(self) -> set[UUID]:
        """Whose release command goes on, or may."""
        begun = (Deployment.release_began_at.is_not(None), Deployment.state.not_in(FINAL))
        return {row.id for row in await self.rows(select(Deployment.id).where(*begun))}

    async def readable(self, deployment_id: UUID, projects: Sequence[UUID]) -> Row[Any] | None:
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

    async def served(self, service_id: UUID) -> Sequence[Row[Any]]:
        """Id, and whether its own build is kept, of releases that once served, newest first."""
        statement = (
            select(Deployment.id, Deployment.build_kept)
            .where(Deployment.service_id == service_id, Deployment.state.in_(SERVED))
            .order_by(Deployment.number.desc())
        )
        return await self.rows(statement)

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

    async def wanted(self) -> Sequence[UUID]:
        """Of services that are not deleted: what is on its way and what serves, the builds that these run
        whether they are noted as kept or not, and those that are kept.
        """
        statement = (
            select(Deployment.id, Deployment.build_id)
            .join(Service, Service.id == Deployment.service_id)
            .where(
                Service.deleted_at.is_(None),
                or_(
                    Deployment.state.not_in(FINAL),
                    Service.live_deployment_id == Deployment.id,
                    Deployment.build_kept,
                ),
            )
        )
        return list({wanted for row in await self.rows(statement) for wanted in (row.id, row.build_id)})

    async def kept_builds(self, one: UUID | None = None) -> Sequence[UUID]:
        """Ids of the builds that are noted as kept: all, or if it is that `one`."""
        statement = select(Deployment.id).where(Deployment.build_kept)
        if one is not None:
            statement = statement.where(Deployment.id == one)
        return [row.id for row in await self.rows(statement)]

    async def kept_build_like(
        self, service_id: UUID, same: dict[str, Any], engine: str, most_bytes: int
    ) -> Deployment | None:
        """The newest release with a kept build of its own, made from what `same` says."""
        statement = select(Deployment).where(
            Deployment.service_id == service_id,
            Deployment.build_kept,
            Deployment.engine == engine,
            Deployment.command.is_not(None),
            func.coalesce(Deployment.size_bytes, 0) <= most_bytes,
            *(getattr(Deployment, name).is_not_distinct_from(value) for name, value in same.items()),
        )
        return await self.one(statement.order_by(Deployment.number.desc()).limit(1))

    async def superfluous_builds(self, service_id: UUID, kept: int) -> Sequence[UUID]:
        """Kept ones beyond those that served most lately, unless what serves or is on its way needs them."""
        lately = (
            select(Deployment.build_id)
            .where(Deployment.service_id == service_id, Deployment.state.in_(SERVED))
            .group_by(Deployment.build_id)
            .order_by(func.max(Deployment.number).desc())
            .limit(kept)
        )
        needed = (
            select(Deployment.build_id)
            .join(Service, Service.id == Deployment.service_id)
            .where(
                Service.id == service_id,
                or_(Deployment.state.not_in(FINAL), Service.live_deployment_id == Deployment.id),
            )
        )
        statement = select(Deployment.id).where(
            Deployment.service_id == service_id,
            Deployment.build_kept,
            Deployment.id.not_in(lately),
            Deployment.id.not_in(needed),
        )
        return [row.id for row in await self.rows(statement)]

    async def keeping_more_than(self, kept: int) -> Sequence[UUID]:
        """Ids of services with more builds than that."""
        statement = (
            select(Deployment.service_id)
            .where(Deployment.build_kept)
            .group_by(Deployment.service_id)
            .having(func.count() > kept)
        )
        return [row.service_id for row in await self.rows(statement)]

    async def note_builds_gone(self, ids: Sequence[UUID]) -> None:
        await self.execute(update(Deployment).where(Deployment.id.in_(ids)).values(build_kept=False))

    async def forget(self, service_id: UUID) -> None:
        """Drop what a deleted service's deployments hold of secrets and logs."""
        ids = select(Deployment.id).where(Deployment.service_id == service_id)
        await self.execute(delete(DeploymentLogLine).where(DeploymentLogLine.deployment_id.in_(ids)))
        await self.execute(
            update(Deployment)
            .where(Deployment.service_id == service_id)
            .values(environment=None, address=None, addresses=[], build_kept=False)
        )


class OrderDAO(BaseDAO[Order]):
    model = Order
