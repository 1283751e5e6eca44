"""Automatic top-up: below a threshold a saved method is charged, within a monthly ceiling and a few tries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.billing.ledger import standing
from backend.billing.payments import accepting, letters, methods
from backend.billing.payments.dao import AutoTopUpDAO, MethodDAO, PaymentDAO
from backend.billing.payments.desk import Desk
from backend.billing.payments.models import AutoTopUp, Payment
from backend.config import Settings
from backend.database import now
from backend.exceptions import NotFound, invalid_field
from backend.projects.dao import ProjectDAO

PACE = timedelta(seconds=30)
"""Between two looks at one project's balance."""


@dataclass(frozen=True, slots=True)
class Wish:
    method_id: UUID
    threshold: int
    amount: int
    monthly_limit: int
    currency: str


async def shown(session: AsyncSession, settings: Settings, project_id: UUID) -> dict[str, Any] | None:
    wish = await AutoTopUpDAO(session).get(project_id)
    if wish is None:
        return None
    names = ("method_id", "currency", "threshold", "amount", "monthly_limit", "paused_code")
    spent = await PaymentDAO(session).automatic_since(project_id, wish.currency, _month_began(settings))
    return {name: getattr(wish, name) for name in names} | {"spent_this_month": spent}


async def put(
    session: AsyncSession, settings: Settings, project_id: UUID, user_id: UUID | None, wanted: Wish
) -> None:
    """Starts again what had stopped. Raises `Invalid`, and `NotFound` for a method of others."""
    currency = await standing.currency_of(session, project_id)
    method = await methods.owned(session, project_id, wanted.method_id)
    accepting.check_gateway(settings, method.gateway, currency)
    accepting.check_amount(settings, method.gateway, wanted.amount, wanted.currency, currency)
    if wanted.monthly_limit < wanted.amount:
        message = "The monthly limit is less than one top-up."
        raise invalid_field(["body", "monthly_limit"], message, "limit_below_amount")
    dao = AutoTopUpDAO(session)
    await dao.lock(f"auto-top-up:{project_id}")
    wish = await dao.locked(project_id)
    before = _audited(wish) if wish is not None else None
    if wish is None:
        wish = AutoTopUp(project_id=project_id, failures=0, next_check_at=now())
        session.add(wish)
    wish.user_id, wish.method_id, wish.currency = user_id, method.id, currency
    wish.threshold, wish.amount = wanted.threshold, wanted.amount
    wish.monthly_limit = wanted.monthly_limit
    wish.failures, wish.paused_code, wish.ceiling_told, wish.next_check_at = 0, None, None, now()
    await dao.flush()
    await _record(session, Action.AUTO_TOP_UP_SET, project_id, before, _audited(wish))


async def remove(session: AsyncSession, project_id: UUID) -> None:
    """Raises `NotFound`."""
    dao = AutoTopUpDAO(session)
    wish = await dao.locked(project_id)
    if wish is None:
        raise NotFound("There is no automatic top-up.")
    await session.delete(wish)
    await dao.flush()
    await _record(session, Action.AUTO_TOP_UP_REMOVED, project_id, _audited(wish), None)


async def scan(desk: Desk, limit: int) -> int:
    """Top up those whose balance is too low; says how many."""
    if not desk.settings.billing_enabled:
        return 0
    async with desk.database.transaction() as session:
        due = await AutoTopUpDAO(session).due(limit)
    started = 0
    for project_id in due:
        try:
            async with desk.transaction() as session:
                started += await _look(session, desk.settings, project_id)
        except Exception:
            logger.exception("project {} was not topped up", project_id)
    return started


async def _look(session: AsyncSession, settings: Settings, project_id: UUID) -> bool:
    dao = AutoTopUpDAO(session)
    wish = await dao.locked(project_id)
    if wish is None or wish.paused_code is not None or wish.next_check_at > now():
        return False
    wish.next_check_at = now() + PACE
    await dao.flush()
    present = (await standing.of(session, project_id, wish.currency))[0]
    low = present.balance + present.due < wish.threshold
    if not low or await PaymentDAO(session).automatic_under_way(project_id):
        return False
    method = await MethodDAO(session).of(project_id, wish.method_id)
    if method is None or not await ProjectDAO(session).kept(project_id):
        wish.paused_code = "payment_method_gone"
    elif not await _within_ceiling(session, settings, wish):
        return False
    else:
        payment = Payment(
            gateway=method.gateway,
            amount=wish.amount,
            currency=wish.currency,
            method_id=method.id,
            automatic=True,
        )
        await accepting.start(session, settings, project_id, None, payment)
        return True
    await dao.flush()
    return False


async def _within_ceiling(session: AsyncSession, settings: Settings, wish: AutoTopUp) -> bool:
    began = _month_began(settings)
    spent = await PaymentDAO(session).automatic_since(wish.project_id, wish.currency, began)
    if spent + wish.amount <= wish.monthly_limit:
        return True
    if wish.ceiling_told != began.date():
        wish.ceiling_told = began.date()
        await letters.ceiling_met(session, wish)
    await AutoTopUpDAO(session).flush()
    return False


def _month_began(settings: Settings) -> datetime:
    here = now().astimezone(ZoneInfo(settings.billing_time_zone))
    return here.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _audited(wish: AutoTopUp) -> dict[str, Any]:
    return {name: getattr(wish, name) for name in ("threshold", "amount", "monthly_limit", "currency")}


async def _record(
    session: AsyncSession,
    action: Action,
    project_id: UUID,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    await record(
        session,
        action,
        object_type="auto_top_up",
        object_id=project_id,
        project_id=project_id,
        before=before,
        after=after,
    )
