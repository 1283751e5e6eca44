"""Prices that change by themselves: old customers who move to a new version, discounts that end.

A change counts from the moment that it was set for, however late it is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.billing.metering import events
from backend.billing.metering.dao import MeterDAO
from backend.billing.prices import coupons
from backend.billing.prices.dao import CouponDAO, PriceDAO, RedemptionDAO
from backend.billing.prices.models import Price
from backend.billing.prices.versions import version_of
from backend.billing.runs.progress import SomeFailed
from backend.database import Database, is_away
from backend.services.dao import ServiceDAO
from backend.services.models import Service
from backend.services.trail import record_about

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Change:
    at: datetime
    price: Price


async def run(database: Database, until: datetime) -> int:
    """Carry out what was to change by then; gives how many services it was. A transaction for each, so that
    a run that is cut off is gone on with by the next. Raises `SomeFailed` once all others are done.
    """
    changed = failed = 0
    after: UUID | None = None
    while True:
        async with database.transaction() as session:
            found = await PriceDAO(session).about_to_change(until, after, AT_ONCE)
        for service_id in found:
            try:
                async with database.transaction() as session:
                    changed += await _carry_out(session, service_id, until)
            except Exception as error:
                if is_away(error):
                    raise
                failed += 1
                logger.opt(exception=error).error("service {} keeps its price", service_id)
        if len(found) < AT_ONCE:
            break
        after = found[-1]
    if failed:
        raise SomeFailed(f"{failed} services could not be repriced")
    return changed


async def _carry_out(session: AsyncSession, service_id: UUID, until: datetime) -> bool:
    services = ServiceDAO(session)
    service = await services.get_locked(service_id)
    if service is None or service.deleted_at is not None:
        return False
    changes = 0
    while (change := await _next(session, service, until)) is not None:
        before = await PriceDAO(session).get(service.price_id)
        assert before is not None
        service.price_id = change.price.id
        await services.flush()
        await events.follow(session, service, at=change.at)
        await record_about(
            session, service, Action.SERVICE_REPRICED, before=_said(before), after=_said(change.price)
        )
        changes += 1
    return changes + await _move_addons(session, service, until) > 0


async def _move_addons(session: AsyncSession, service: Service, until: datetime) -> int:
    meters, prices = MeterDAO(session), PriceDAO(session)
    changes = 0
    for meter in (await meters.of_service(service.id)).values():
        while meter.kept_price_id is not None:
            paid = await prices.get(meter.kept_price_id)
            assert paid is not None
            follower = await prices.follower(paid, until)
            if follower is None:
                break
            assert follower.moves_at is not None
            meter.kept_price_id = follower.id
            await events.follow(session, service, at=follower.moves_at)
            await record_about(
                session, service, Action.SERVICE_REPRICED, before=_said(paid), after=_said(follower)
            )
            changes += 1
    return changes


async def _next(session: AsyncSession, service: Service, until: datetime) -> Change | None:
    """What comes first of the end of its discount and a move of its version."""
    prices = PriceDAO(session)
    paid = await prices.get(service.price_id)
    if paid is None:
        return None
    listed = await prices.get(paid.list_price_id) if paid.list_price_id else paid
    assert listed is not None
    redemption = await RedemptionDAO(session).get(paid.redemption_id) if paid.redemption_id else None
    follower = await prices.follower(listed, until)
    moves_at = follower.moves_at if follower else None
    ends_at = redemption.ends_at if redemption else None
    if ends_at is not None and ends_at <= until and (moves_at is None or ends_at <= moves_at):
        return Change(ends_at, listed)
    if follower is None or moves_at is None:
        return None
    if redemption is None:
        return Change(moves_at, follower)
    coupon = await CouponDAO(session).get(redemption.coupon_id)
    assert coupon is not None
    return Change(moves_at, await coupons.agree(session, version_of(follower), redemption, coupon))


def _said(price: Price) -> dict[str, object]:
    item = {"addon_id": price.addon_id} if price.addon_id else {"plan_id": price.plan_id}
    return {**item, "price_minor": price.month_minor, "currency": price.currency}
