"""Saved methods: kept after a payment or a set-up, preferred, removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.billing.payments.dao import AutoTopUpDAO, MethodDAO
from backend.billing.payments.gateways.base import MethodFacts
from backend.billing.payments.models import PaymentMethod
from backend.database import now
from backend.exceptions import Conflict, NotFound
from backend.projects.dao import ProjectDAO
from backend.utils.ids import new_id


async def keep(session: AsyncSession, project_id: UUID, gateway: str, facts: MethodFacts) -> PaymentMethod:
    """The first one is the preferred one. Of a project that was deleted meanwhile it is removed at once."""
    dao = MethodDAO(session)
    method_id = await dao.keep(
        id=new_id(),
        project_id=project_id,
        gateway=gateway,
        gateway_ref=facts.ref,
        kind=facts.kind,
        brand=facts.brand,
        last4=facts.last4,
        exp_month=facts.exp_month,
        exp_year=facts.exp_year,
        preferred=False,
        created_at=now(),
        updated_at=now(),
    )
    if not any(one.preferred for one in await dao.all_of(project_id)):
        await dao.prefer(project_id, method_id)
    method = await dao.of(project_id, method_id)
    assert method is not None
    if not await ProjectDAO(session).kept(project_id):
        method.removed_at, method.preferred = now(), False
        await dao.flush()
    return method


def words(facts: MethodFacts) -> str:
    """As a receipt says it."""
    name = (facts.brand or facts.kind)[:30].capitalize()
    return f"{name} •• {facts.last4}" if facts.last4 else name


async def listed(session: AsyncSession, project_id: UUID) -> list[dict[str, Any]]:
    return [shape(one) for one in await MethodDAO(session).all_of(project_id)]


def shape(method: PaymentMethod) -> dict[str, Any]:
    names = ("id", "gateway", "kind", "brand", "last4", "exp_month", "exp_year", "preferred", "created_at")
    return {name: getattr(method, name) for name in names}


async def owned(session: AsyncSession, project_id: UUID, method_id: UUID) -> PaymentMethod:
    """Under lock. Raises `NotFound`, for other projects' methods too."""
    method = await MethodDAO(session).of(project_id, method_id, lock=True)
    if method is None:
        raise NotFound("There is no such payment method.")
    return method


async def prefer(session: AsyncSession, project_id: UUID, method_id: UUID) -> dict[str, Any]:
    """The one that is offered first. Raises `NotFound`."""
    method = await owned(session, project_id, method_id)
    if not method.preferred:
        await MethodDAO(session).prefer(project_id, method_id)
        await _record(session, Action.PAYMENT_METHOD_PREFERRED, method)
    return shape(method) | {"preferred": True}


async def remove(session: AsyncSession, project_id: UUID, method_id: UUID) -> None:
    """At once here; the gateway forgets it soon. Raises `NotFound`, and `Conflict` while it is relied on."""
    method = await owned(session, project_id, method_id)
    if await AutoTopUpDAO(session).of_method(method.id) is not None:
        raise Conflict(
            "Automatic top-up uses this method. Choose another one there first, or switch it off.",
            code="method_in_use",
        )
    method.removed_at, was_preferred = now(), method.preferred
    method.preferred = False
    dao = MethodDAO(session)
    await dao.flush()
    if was_preferred and (others := await dao.all_of(project_id)):
        await dao.prefer(project_id, others[0].id)
    await _record(session, Action.PAYMENT_METHOD_REMOVED, method)


async def _record(
    session: AsyncSession, action: Action, method: PaymentMethod, after: Mapping[str, Any] | None = None
) -> None:
    await record(
        session,
        action,
        object_type="payment_method",
        object_id=method.id,
        object_name=method.words,
        project_id=method.project_id,
        after=dict(after) if after else None,
    )
