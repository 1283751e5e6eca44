"""Statements that only read: what a project's meters cost, and what was charged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Numeric, Row, and_, case, cast, func, or_, select
from sqlalchemy.orm import aliased

from backend.billing.metering.models import (
    TRAFFIC,
    UsageCharge,
    UsageEvent,
    UsageMeter,
    UsageRecord,
    UsageTotal,
)
from backend.billing.metering.statements import UNREAD
from backend.billing.prices.models import CouponRedemption, Price
from backend.catalogue.models import Addon
from backend.dao.base import AnySelect, BaseDAO
from backend.services.models import Deployment, Service


class ForecastDAO(BaseDAO[UsageMeter]):
    model = UsageMeter

    async def meters(self, project_id: UUID, currency: str, month: date) -> Sequence[Row[Any]]:
        """The project's meters that run, or ran this month: their price, and what is rated of the month.

        `month_minor` is for the whole quantity. What runs no more is told by the price that it had last.
        """
        monthly = cast(Price.month_minor, Numeric) * UsageTotal.quantity
        totals = (
            select(
                UsageTotal.service_id,
                UsageTotal.meter,
                func.sum(UsageTotal.seconds * monthly).label("weight"),
                func.max(monthly).filter(UsageTotal.seconds > 0).label("cap"),
            )
            .join(Price, Price.id == UsageTotal.price_id)
            .join(Service, Service.id == UsageTotal.service_id)
            .where(Service.project_id == project_id, UsageTotal.month == month, Price.currency == currency)
            .group_by(UsageTotal.service_id, UsageTotal.meter)
            .subquery()
        )
        same = and_(totals.c.service_id == UsageMeter.service_id, totals.c.meter == UsageMeter.meter)
        latest = (
            select(UsageEvent.price_id)
            .join(priced := aliased(Price), priced.id == UsageEvent.price_id)
            .where(
                UsageEvent.service_id == UsageMeter.service_id,
                UsageEvent.meter == UsageMeter.meter,
                priced.currency == currency,
            )
            .order_by(UsageEvent.occurred_at.desc(), UsageEvent.id.desc())
            .limit(1)
            .correlate(UsageMeter)
            .scalar_subquery()
        )
        runs = Price.id == UsageMeter.price_id
        listed = aliased(Price)
        changed = and_(UsageMeter.dirty_from.is_not(None), Price.id.is_not(None))
        return await self.rows(
            select(
                UsageMeter.service_id,
                UsageMeter.meter,
                Service.name,
                Price.plan_id,
                Price.addon_id,
                case((runs, UsageMeter.quantity), else_=0).label("quantity"),
                case((runs, cast(Price.month_minor, Numeric) * UsageMeter.quantity), else_=0).label(
                    "month_minor"
                ),
                totals.c.weight,
                totals.c.cap,
                case((runs, CouponRedemption.ends_at)).label("discount_ends"),
                (cast(listed.month_minor, Numeric) * UsageMeter.quantity).label("month_after"),
            )
            .join(Service, Service.id == UsageMeter.service_id)
            .outerjoin(Price, Price.id == latest)
            .outerjoin(CouponRedemption, CouponRedemption.id == Price.redemption_id)
            .outerjoin(listed, listed.id == Price.list_price_id)
            .outerjoin(totals, same)
            .where(
                UsageMeter.project_id == project_id,
                UsageMeter.meter != TRAFFIC,
                or_(runs, changed, totals.c.weight.is_not(None)),
            )
            .order_by(Service.name, UsageMeter.service_id, UsageMeter.meter)
        )

    async def unread(
        self, project_id: UUID, currency: str, begin: datetime, at: datetime
    ) -> Sequence[Row[Any]]:
        """What of a month is not in the records yet, in seconds by meter and price for the whole quantity;
        below zero for what a late event takes back.
        """
        parameters = {"project": project_id, "currency": currency, "begin": begin, "at": at}
        return await self.rows(UNREAD, parameters)

    async def open_amount(self, project_id: UUID, currency: str) -> int:
        """What is rated and not yet posted."""
        statement = select(func.coalesce(func.sum(UsageCharge.amount), 0)).where(
            UsageCharge.project_id == project_id,
            UsageCharge.currency == currency,
            UsageCharge.posted_at.is_(None),
        )
        return int(await self.scalar(statement))


class ReportDAO(BaseDAO[UsageCharge]):
    model = UsageCharge

    async def charges(
        self, project_id: UUID, since: date, until: date, service_id: UUID | None
    ) -> Sequence[Row[Any]]:
        """Of the days from the first to the last, that one included."""
        statement = (
            _described()
            .where(UsageCharge.project_id == project_id, UsageCharge.day.between(since, until))
            .order_by(UsageCharge.day, Service.name, UsageCharge.id)
        )
        if service_id is not None:
            statement = statement.where(UsageCharge.service_id == service_id)
        return await self.rows(statement)

    async def charge(self, project_id: UUID, charge_id: UUID) -> Row[Any] | None:
        return await self.row(
            _described().where(UsageCharge.project_id == project_id, UsageCharge.id == charge_id)
        )

    async def records(
        self, service_id: UUID, meter: str, price_id: UUID, quantity: int, day: date
    ) -> Sequence[Row[Any]]:
        """The time behind a charge, with what began it."""
        return await self.rows(
            select(
                UsageRecord.from_at,
                UsageRecord.to_at,
                UsageRecord.seconds,
                UsageRecord.event_id,
                UsageEvent.kind,
                UsageEvent.occurred_at,
                UsageEvent.deployment_id,
                UsageEvent.job_id,
                Deployment.number,
            )
            .join(UsageEvent, UsageEvent.id == UsageRecord.event_id)
            .outerjoin(Deployment, Deployment.id == UsageEvent.deployment_id)
            .where(
                UsageRecord.service_id == service_id,
                UsageRecord.day == day,
                UsageRecord.meter == meter,
                UsageRecord.price_id == price_id,
                UsageRecord.quantity == quantity,
            )
            .order_by(UsageRecord.id)
        )


def _described() -> AnySelect:
    """Charges with the names of what they are for."""
    return (
        select(
            *UsageCharge.__table__.columns,
            Service.name,
            Service.deleted_at,
            Price.plan_id,
            Price.addon_id,
            Price.month_minor,
            Addon.unit,
        )
        .join(Service, Service.id == UsageCharge.service_id)
        .join(Price, Price.id == UsageCharge.price_id)
        .outerjoin(Addon, Addon.id == Price.addon_id)
    )
