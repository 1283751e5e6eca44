"""Statements over price versions, coupons, tax rates and holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, exists, func, not_, or_, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import aliased

from backend.billing.prices.models import Coupon, CouponRedemption, OrderHold, Price, TaxRate
from backend.dao.base import BaseDAO
from backend.jobs.models import Job
from backend.services.models import FINAL, Deployment, Order, Service

AGREED = "agreed"


class PriceDAO(BaseDAO[Price]):
    model = Price

    async def newest(self, plan_id: str, currency: str, at: datetime) -> Price | None:
        """The version that is in force at that moment, withdrawn or not."""
        return await self.one(
            select(Price)
            .where(
                Price.plan_id == plan_id,
                Price.currency == currency,
                Price.source != AGREED,
                Price.valid_from <= at,
            )
            .order_by(Price.valid_from.desc())
            .limit(1)
        )

    async def last(self, plan_id: str, currency: str, source: str | None = None) -> Price | None:
        """Of all versions, those to come included; or of those of one source."""
        statement = select(Price).where(
            Price.plan_id == plan_id, Price.currency == currency, Price.source != AGREED
        )
        if source is not None:
            statement = statement.where(Price.source == source)
        return await self.one(statement.order_by(Price.valid_from.desc()).limit(1))

    async def offered(self, at: datetime) -> Sequence[Price]:
        """Of every plan and currency the version in force, unless it was withdrawn."""
        newest = (
            select(Price.id)
            .ext(distinct_on(Price.plan_id, Price.currency))
            .where(Price.source != AGREED, Price.valid_from <= at)
            .order_by(Price.plan_id, Price.currency, Price.valid_from.desc())
        )
        statement = (
            select(Price).where(Price.id.in_(newest), _open(at)).order_by(Price.plan_id, Price.currency)
        )
        return await self.all(statement)

    async def versions(self) -> Sequence[Row[Any]]:
        """All that were ever on a list, with the plan's names and how many services pay each."""
        paying = (
            select(func.count())
            .select_from(Service)
            .join(paid := aliased(Price), paid.id == Service.price_id)
            .where(Service.deleted_at.is_(None), func.coalesce(paid.list_price_id, paid.id) == Price.id)
            .correlate(Price)
            .scalar_subquery()
        )
        statement = (
            select(Price, paying.label("services"))
            .where(Price.source != AGREED)
            .order_by(Price.plan_id, Price.currency, Price.valid_from.desc())
        )
        return await self.rows(statement)

    async def agreed(self, redemption_id: UUID, list_price_id: UUID) -> Price | None:
        return await self.one(
            select(Price).where(Price.redemption_id == redemption_id, Price.list_price_id == list_price_id)
        )

    async def about_to_change(self, at: datetime, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Services whose discount is over, or whose version has a follower that they move to, by then."""
        paid, listed, follower = aliased(Price), aliased(Price), aliased(Price)
        moving = exists().where(
            follower.plan_id == listed.plan_id,
            follower.currency == listed.currency,
            follower.source != AGREED,
            follower.existing == "move",
            follower.moves_at <= at,
            follower.valid_from > listed.valid_from,
            _in_force_on_the_day(follower),
        )
        statement = (
            select(Service.id)
            .join(paid, paid.id == Service.price_id)
            .join(listed, listed.id == func.coalesce(paid.list_price_id, paid.id))
            .outerjoin(CouponRedemption, CouponRedemption.id == paid.redemption_id)
            .where(Service.deleted_at.is_(None), or_(CouponRedemption.ends_at <= at, moving))
            .order_by(Service.id)
            .limit(limit)
        )
        if after is not None:
            statement = statement.where(Service.id > after)
        return [row.id for row in await self.rows(statement)]

    async def follower(self, listed: Price, at: datetime) -> Price | None:
        """The earliest move that a service with this version has still to make."""
        return await self.one(
            select(Price)
            .where(
                Price.plan_id == listed.plan_id,
                Price.currency == listed.currency,
                Price.source != AGREED,
                Price.existing == "move",
                Price.moves_at <= at,
                Price.valid_from > listed.valid_from,
                _in_force_on_the_day(Price),
            )
            .order_by(Price.moves_at, Price.valid_from)
            .limit(1)
        )


def _open(at: datetime) -> ColumnElement[bool]:
    return or_(Price.valid_until.is_(None), Price.valid_until > at)


def _in_force_on_the_day(price: type[Price]) -> ColumnElement[bool]:
    """Nobody moves to a version that was withdrawn before they were to."""
    return or_(price.valid_until.is_(None), price.valid_until > price.moves_at)


class CouponDAO(BaseDAO[Coupon]):
    model = Coupon

    async def of_code(self, code: str, *, lock: bool = False) -> Coupon | None:
        statement = select(Coupon).where(Coupon.code == code)
        if lock:
            statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
        return await self.one(statement)

    async def uses_of(self, coupon_id: UUID, project_id: UUID) -> int:
        counted: int = await self.scalar(
            select(func.count()).where(
                CouponRedemption.coupon_id == coupon_id,
                CouponRedemption.project_id == project_id,
                CouponRedemption.voided_at.is_(None),
            )
        )
        return counted

    async def ordered_before(self, project_id: UUID, user_id: UUID) -> bool:
        """Whether the project or the person has a service, or had one that went live."""
        served = and_(Deployment.service_id == Service.id, Deployment.state.in_(("live", "rolled_back")))
        statement = select(
            exists()
            .where(or_(Order.project_id == project_id, Order.user_id == user_id))
            .where(Order.service_id == Service.id)
            .where(or_(Service.deleted_at.is_(None), exists().where(served).correlate(Service)))
        )
        return bool(await self.scalar(statement))


class RedemptionDAO(BaseDAO[CouponRedemption]):
    model = CouponRedemption

    async def of_service(self, service_id: UUID) -> CouponRedemption | None:
        return await self.one(
            select(CouponRedemption).where(
                CouponRedemption.service_id == service_id, CouponRedemption.voided_at.is_(None)
            )
        )


class TaxRateDAO(BaseDAO[TaxRate]):
    model = TaxRate

    async def at(self, country: str, at: datetime) -> TaxRate | None:
        return await self.one(
            select(TaxRate)
            .where(TaxRate.country == country, TaxRate.valid_from <= at)
            .order_by(TaxRate.valid_from.desc())
            .limit(1)
        )

    async def of_all(self) -> Sequence[TaxRate]:
        return await self.all(select(TaxRate).order_by(TaxRate.country, TaxRate.valid_from.desc()))

    async def add_missing(self, rows: Sequence[dict[str, Any]]) -> int:
        statement = insert(TaxRate).values(list(rows))
        return await self.execute(statement.on_conflict_do_nothing(index_elements=["country", "valid_from"]))


class HoldDAO(BaseDAO[OrderHold]):
    model = OrderHold

    async def open_of(self, service_id: UUID, *, lock: bool = True) -> OrderHold | None:
        """Under lock for whoever is about to take from it or put in."""
        statement = select(OrderHold).where(
            OrderHold.service_id == service_id, OrderHold.released_at.is_(None)
        )
        if lock:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return await self.one(statement)

    async def forgotten(self, until: datetime, but: Collection[UUID] = ()) -> tuple[OrderHold, str] | None:
        """One of a service that is deleted since then or longer, or that never lived and that no job works
        on; under lock, and the service's name.
        """
        working = exists().where(Job.service_id == Service.id, Job.state.in_(("queued", "running")))
        never_lived = and_(
            Service.deleted_at.is_(None),
            Service.live_deployment_id.is_(None),
            OrderHold.updated_at <= until,
            not_(working),
        )
        row = await self.row(
            select(OrderHold, Service.name)
            .join(Service, Service.id == OrderHold.service_id)
            .where(OrderHold.released_at.is_(None), or_(Service.deleted_at <= until, never_lived))
            .where(OrderHold.project_id.not_in(tuple(but)))
            .order_by(OrderHold.id)
            .limit(1)
            .with_for_update(of=(Service, OrderHold), skip_locked=True)
        )
        return (row.OrderHold, row.name) if row else None

    async def on_their_way(self, service_id: UUID) -> Sequence[str]:
        """The plans of deployments that may yet go live."""
        statement = select(Deployment.plan_id).where(
            Deployment.service_id == service_id, Deployment.state.not_in([str(state) for state in FINAL])
        )
        return [row.plan_id for row in await self.rows(statement)]
