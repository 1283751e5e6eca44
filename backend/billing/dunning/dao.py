"""Statements over the stages of projects, the rules and their exceptions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from backend.billing.dunning.models import DunningOverride, DunningRules, DunningState, Stage
from backend.billing.prices.models import OrderHold, Price
from backend.dao.base import BaseDAO
from backend.projects.models import ProjectMember
from backend.services.models import Service, ServiceStatus
from backend.users.models import User


def _present(project_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (
        Service.project_id == project_id,
        Service.deleted_at.is_(None),
        Service.status != ServiceStatus.DELETING,
    )


def _costs() -> ColumnElement[bool]:
    """By what it pays; by its plan while it never was live."""
    paid = select(Price.month_minor).where(Price.id == Service.price_id).scalar_subquery()
    listed = exists().where(Price.plan_id == Service.plan_id, Price.month_minor > 0)
    return func.coalesce(paid > 0, listed)


_PAYING = (
    select(Service.project_id)
    .where(Service.deleted_at.is_(None), _costs())
    .union(select(DunningState.project_id).where(DunningState.stage != Stage.OK))
    .subquery()
)


class StateDAO(BaseDAO[DunningState]):
    model = DunningState

    async def locked(self, project_id: UUID, at: datetime) -> DunningState:
        """How far the project is, under lock; the row is made if there is none."""
        await self.make(project_id, at)
        statement = select(DunningState).where(DunningState.project_id == project_id)
        row = await self.one(statement.with_for_update().execution_options(populate_existing=True))
        assert row is not None
        return row

    async def troubled(self, project_id: UUID) -> bool:
        """Whether anything is to be ended by a payment."""
        statement = select(
            exists().where(DunningState.project_id == project_id, DunningState.stage != Stage.OK)
        )
        return bool(await self.scalar(statement))

    async def stages_of(self, projects: Sequence[UUID]) -> dict[UUID, str]:
        """Of those that are in trouble, or were."""
        statement = select(DunningState.project_id, DunningState.stage)
        rows = await self.rows(statement.where(DunningState.project_id.in_(projects)))
        return {row.project_id: row.stage for row in rows}

    async def counts(self) -> dict[str, int]:
        """How many projects are in each stage of trouble."""
        statement = select(DunningState.stage, func.count().label("projects")).where(
            DunningState.stage != Stage.OK
        )
        return {row.stage: row.projects for row in await self.rows(statement.group_by(DunningState.stage))}

    async def make(self, project_id: UUID, at: datetime) -> None:
        """Unless it is there."""
        blank = insert(DunningState).values(project_id=project_id, stage=Stage.OK, since=at)
        await self.execute(blank.on_conflict_do_nothing())

    async def to_look_at(self, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Projects that have a service which costs money, or are in trouble, by id."""
        statement = select(_PAYING.c.project_id).order_by(_PAYING.c.project_id).limit(limit)
        if after is not None:
            statement = statement.where(_PAYING.c.project_id > after)
        return [row.project_id for row in await self.rows(statement)]

    async def count_to_look_at(self) -> int:
        counted: int = await self.scalar(select(func.count()).select_from(_PAYING))
        return counted


class RulesDAO(BaseDAO[DunningRules]):
    model = DunningRules


class OverrideDAO(BaseDAO[DunningOverride]):
    model = DunningOverride

    async def put_in_place(self, project_id: UUID, values: dict[str, Any]) -> None:
        statement = insert(DunningOverride).values(project_id=project_id, **values)
        changed = statement.on_conflict_do_update(
            index_elements=["project_id"], set_={**values, "updated_at": func.now()}
        )
        await self.execute(changed)


class PaidServiceDAO(BaseDAO[Service]):
    """Services that cost money; those of free plans are nobody's debt."""

    model = Service

    async def locked_of(self, project_id: UUID) -> Sequence[Service]:
        """By id, and what they hold, before any lock on the project's money; also those that became free
        while they were suspended.
        """
        statement = (
            select(Service)
            .where(*_present(project_id), or_(_costs(), Service.suspended_at.is_not(None)))
            .order_by(Service.id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
        services = await self.all(statement)
        held = (
            select(OrderHold.id)
            .where(OrderHold.project_id == project_id, OrderHold.released_at.is_(None))
            .order_by(OrderHold.service_id)
        )
        await self.rows(held.with_for_update())
        return services

    async def count_of(self, project_id: UUID) -> int:
        counted: int = await self.scalar(
            select(func.count()).select_from(Service).where(*_present(project_id), _costs())
        )
        return counted

    async def suspended_of(self, project_id: UUID | None) -> int:
        """Of everyone's without a project."""
        statement = select(func.count()).where(
            Service.suspended_at.is_not(None), Service.deleted_at.is_(None)
        )
        if project_id is not None:
            statement = statement.where(Service.project_id == project_id)
        counted: int = await self.scalar(statement)
        return counted

    async def differing(self, project_id: UUID, *, suspended: bool) -> bool:
        """Whether one stands still that should not, or the other way round."""
        wrong = (
            and_(_costs(), Service.suspended_at.is_(None)) if suspended else Service.suspended_at.is_not(None)
        )
        return bool(await self.scalar(select(exists().where(*_present(project_id), wrong))))

    async def names_of(self, project_id: UUID) -> list[str]:
        statement = select(Service.name).where(*_present(project_id), _costs()).order_by(Service.name)
        return [row.name for row in await self.rows(statement)]


class PayerDAO(BaseDAO[ProjectMember]):
    model = ProjectMember

    async def of(self, project_id: UUID) -> Sequence[Row[Any]]:
        """Whoever may pay for the project: they get its letters."""
        statement = (
            select(User.id, User.email, User.name, User.locale)
            .join(ProjectMember, ProjectMember.user_id == User.id)
            .where(
                ProjectMember.project_id == project_id,
                ProjectMember.role.in_(("owner", "billing")),
                User.is_active,
            )
            .order_by(User.id)
        )
        return await self.rows(statement)
