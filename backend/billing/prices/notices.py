"""Telling customers that a price of theirs moves: `PRICE_NOTICE_DAYS` before, and once.

A move that is decided on later than that is told of by the next run, before it is carried out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_date
from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.dunning.dao import PayerDAO
from backend.billing.metering.dao import MeterDAO
from backend.billing.money import formatted
from backend.billing.prices import coupons
from backend.billing.prices.dao import CouponDAO, NoticeDAO, PriceDAO, RedemptionDAO
from backend.billing.prices.models import Price
from backend.billing.prices.versions import version_of
from backend.billing.runs.progress import SomeFailed
from backend.catalogue.models import Addon, Plan
from backend.config import Settings
from backend.database import Database, is_away
from backend.mail import outbox
from backend.projects.models import Project
from backend.services.models import Service

AT_ONCE = 200
NAMED = 10
"""Services at most that a letter names."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one letter is about; services that pay the same are in one."""

    price: Price
    before: int
    after: int


async def run(settings: Settings, database: Database, at: datetime) -> None:
    """A transaction for each project. Raises `SomeFailed` once all others are told."""
    until = at + timedelta(days=settings.price_notice_days)
    failed = 0
    after: UUID | None = None
    while True:
        async with database.transaction() as session:
            projects = await NoticeDAO(session).projects_to_tell(until, after, AT_ONCE)
        for project_id in projects:
            try:
                async with database.transaction() as session:
                    await _tell(session, settings, project_id, until)
            except Exception as error:
                if is_away(error):
                    raise
                failed += 1
                logger.opt(exception=error).error("project {} is not told of its prices", project_id)
        if len(projects) < AT_ONCE:
            break
        after = projects[-1]
    if failed:
        raise SomeFailed(f"{failed} projects could not be told of their prices")


async def _tell(session: AsyncSession, settings: Settings, project_id: UUID, until: datetime) -> None:
    notices = NoticeDAO(session)
    told: dict[Told, list[str]] = defaultdict(list)
    for service in await notices.services_to_tell(project_id, until):
        for one in await _moves(session, service, until):
            if await notices.note(service.id, one.price.id) and one.before != one.after:
                told[one].append(service.name)
    project = await session.get(Project, project_id)
    assert project is not None
    zone = ZoneInfo(settings.billing_time_zone)
    for payer in await PayerDAO(session).of(project_id):
        for one, names in told.items():
            price = one.price
            assert price.moves_at is not None
            await outbox.write(
                session,
                "price_moves",
                to=payer.email,
                locale=payer.locale,
                user_id=payer.id,
                name=payer.name,
                project=project.name,
                services=", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else ""),
                item=await _title(session, price, payer.locale),
                before=formatted(one.before, price.currency, payer.locale),
                after=formatted(one.after, price.currency, payer.locale),
                date=format_date(price.moves_at.astimezone(zone).date(), "long", locale=payer.locale),
                url=f"{settings.panel_url}/billing/usage?project={project_id}",
            )


async def _moves(session: AsyncSession, service: Service, until: datetime) -> list[Told]:
    """One after the other, of its plan and of each add-on that it has."""
    prices = PriceDAO(session)
    found = []
    paid = await prices.get(service.price_id) if service.price_id else None
    if paid is not None:
        listed = await prices.get(paid.list_price_id) if paid.list_price_id else paid
        while listed and (follower := await prices.follower(listed, until)):
            assert follower.moves_at is not None
            before = await _with_discount(session, listed, paid.redemption_id, follower.moves_at)
            after = await _with_discount(session, follower, paid.redemption_id, follower.moves_at)
            found.append(Told(follower, before, after))
            listed = follower
    for meter in (await MeterDAO(session).of_service(service.id)).values():
        kept = await prices.get(meter.kept_price_id) if meter.kept_price_id else None
        while kept and (follower := await prices.follower(kept, until)):
            found.append(Told(follower, kept.month_minor, follower.month_minor))
            kept = follower
    return found


async def _with_discount(
    session: AsyncSession, price: Price, redemption_id: UUID | None, at: datetime
) -> int:
    """What the service pays of a list price then."""
    redemption = await RedemptionDAO(session).get(redemption_id) if redemption_id else None
    if redemption is None or (redemption.ends_at is not None and redemption.ends_at <= at):
        return price.month_minor
    coupon = await CouponDAO(session).get(redemption.coupon_id)
    assert coupon is not None
    return coupons.lowered(coupon, version_of(price))[0]


async def _title(session: AsyncSession, price: Price, locale: str) -> str:
    item = (
        await session.get(Plan, price.plan_id) if price.plan_id else await session.get(Addon, price.addon_id)
    )
    assert item is not None
    return item.title.get(locale) or item.id
