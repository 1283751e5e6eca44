"""Statements over push settings and deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, delete, exists, select

from backend.dao.base import BaseDAO
from backend.hooks.models import HookDelivery, Outcome, PushHook
from backend.jobs.models import Job
from backend.services.models import Service, ServiceStatus

_ALIVE = (Service.deleted_at.is_(None), Service.status != ServiceStatus.DELETING)


class PushHookDAO(BaseDAO[PushHook]):
    model = PushHook

    async def of(self, service_id: UUID, *, lock: bool = False) -> PushHook | None:
        statement = select(PushHook).where(PushHook.service_id == service_id)
        return await self.one(statement.with_for_update() if lock else statement)

    async def secret_of(self, hook_id: UUID) -> Row[tuple[UUID, str | None]] | None:
        """Service and sealed secret of a webhook."""
        statement = (
            select(PushHook.service_id, PushHook.secret)
            .join(Service, Service.id == PushHook.service_id)
            .where(PushHook.id == hook_id, *_ALIVE)
        )
        return await self.row(statement)

    async def service_of_token(self, token_hash: bytes) -> UUID | None:
        statement = (
            select(PushHook.service_id)
            .join(Service, Service.id == PushHook.service_id)
            .where(PushHook.token_hash == token_hash, *_ALIVE)
        )
        found: UUID | None = await self.scalar(statement)
        return found

    async def forget(self, service_id: UUID) -> None:
        """Of a deleted service: its secrets, and who called."""
        await self.execute(delete(HookDelivery).where(HookDelivery.service_id == service_id))
        await self.execute(delete(PushHook).where(PushHook.service_id == service_id))


class DeliveryDAO(BaseDAO[HookDelivery]):
    model = HookDelivery

    async def earlier(self, service_id: UUID, delivery_id: str) -> HookDelivery | None:
        statement = select(HookDelivery).where(
            HookDelivery.service_id == service_id, HookDelivery.delivery_id == delivery_id
        )
        return await self.one(statement)

    async def job_of(self, deployment_id: UUID) -> UUID | None:
        """The newest job about a deployment."""
        statement = select(Job.id).where(Job.deployment_id == deployment_id).order_by(Job.id.desc()).limit(1)
        found: UUID | None = await self.scalar(statement)
        return found

    async def overtaken(self, service_id: UUID, branch: str, commit: str, previous: str | None) -> bool:
        """Whether the push that was deployed last came after this one: it began where this one ends, or
        where one ended that did so, and so on, as far back as deliveries are kept.

        Unless this one begins where that one ended, or one that came since: then somebody goes back.
        """
        here = (HookDelivery.service_id == service_id, HookDelivery.branch == branch)
        last = (
            select(HookDelivery.previous, HookDelivery.received_at)
            .where(*here, HookDelivery.outcome == Outcome.DEPLOYED)
            .order_by(HookDelivery.received_at.desc(), HookDelivery.id.desc())
            .limit(1)
            .cte("last")
        )
        chain = select(last.c.previous).cte("chain", recursive=True)
        # UNION drops what is there already, so that it ends where somebody went in a circle.
        chain = chain.union(
            select(HookDelivery.previous).where(*here, HookDelivery.commit == chain.c.previous)
        )
        goes_back = exists().where(
            *here, HookDelivery.commit == previous, HookDelivery.received_at >= last.c.received_at
        )
        passed = select(chain.c.previous).where(chain.c.previous == commit)
        back = select(last.c.previous).where(goes_back)
        return bool(await self.scalar(select(and_(exists(passed), ~exists(back)))))

    async def trim(self, service_id: UUID, outcomes: Sequence[str], kept: int) -> None:
        """Leave the newest of these outcomes."""
        mine = (HookDelivery.service_id == service_id, HookDelivery.outcome.in_(outcomes))
        newest: Any = (
            select(HookDelivery.id)
            .where(*mine)
            .order_by(HookDelivery.received_at.desc(), HookDelivery.id.desc())
            .limit(kept)
            .scalar_subquery()
        )
        await self.execute(delete(HookDelivery).where(*mine, HookDelivery.id.not_in(newest)))

    async def prune(self, before: datetime) -> int:
        return await self.delete_some(HookDelivery.received_at < before)
