"""Statements over price versions, coupons, tax rates and holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, Row, and_, case, exists, func, not_, or_, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import aliased

from backend.billing.metering.models import UsageMeter
from backend.billing.prices.models import (
    Coupon,
    CouponRedemption,
    OrderHold,
    Price,
    PriceNotice,
    TaxRate,
)
from backend.dao.base import BaseDAO
from backend.jobs.models import Job
from backend.services.models import FINAL, Deployment, Order, Service

AGREED = "agreed"


class PriceDAO(BaseDAO[Price]):
    model = Price

    async def newest(self, item: str, currency: str, at: datetime, *, addon: bool = False) -> Price | None:
        """The version that is in force at that moment, withdrawn or not; of a plan, or of an add-on."""
        return await self.one(
            select(Price)
            .where(
                _of(item, addon), Price.currency == currency, Price.source != AGREED, Price.valid_from <= at
            )
            .order_by(Price.valid_from.desc())
            .limit(1)
        )

    async def last(
        self, item: str, currency: str, source: str | None = None, *, addon: bool = False
    ) -> Price | None:
        """Of all versions, those to come included; or of those of one source."""
        statement = select(Price).where(_of(item, addon), Price.currency == currency, Price.source != AGREED)
        if source is not None:
            statement = statement.where(Price.source == source)
        return await self.one(statement.order_by(Price.valid_from.desc()).limit(1))

    async def offered(self, at: datetime) -> Sequence[Price]:
        """Of every plan and add-on in each currency the version in force, unless it was withdrawn."""
        item = (Price.plan_id, Price.addon_id, Price.currency)
        newest = (
            select(Price.id)
            .ext(distinct_on(*item))
            .where(Price.source != AGREED, Price.valid_from <= at)
            .order_by(*item, Price.valid_from.desc())
        )
        return await self.all(select(Price).where(Price.id.in_(newest), _open(at)).order_by(*item))

    async def versions(self) -> Sequence[Row[Any]]:
        """All that were ever on a list, and how many services pay each."""
        paying = (
            select(func.count())
            .select_from(Service)
            .join(paid := aliased(Price), paid.id == Service.price_id)
            .where(Service.deleted_at.is_(None), func.coalesce(paid.list_price_id, paid.id) == Price.id)
            .correlate(Price)
            .scalar_subquery()
        )
        having = (
            select(func.count())
            .where(UsageMeter.kept_price_id == Price.id)
            .correlate(Price)
            .scalar_subquery()
        )
        statement = (
            select(Price, case((Price.addon_id.is_(None), paying), else_=having).label("services"))
            .where(Price.source != AGREED)
            .order_by(Price.plan_id, Price.addon_id, Price.currency, Price.valid_from.desc())
        )
        return await self.rows(statement)

    async def agreed(self, redemption_id: UUID, list_price_id: UUID) -> Price | None:
        return await self.one(
            select(Price).where(Price.redemption_id == redemption_id, Price.list_price_id == list_price_id)
        )

    async def about_to_change(self, at: datetime, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Services whose discount is over, or whose version has a follower that they move to, by then; of
        their plan, or of an add-on.
        """
        paid, listed, kept, follower = aliased(Price), aliased(Price), aliased(Price), aliased(Price)
        moving = exists().where(*_follows(follower, listed, at))
        addon_moving = (
            select(UsageMeter.service_id)
            .join(kept, kept.id == UsageMeter.kept_price_id)
            .where(exists().where(*_follows(follower, kept, at)))
        )
        statement = (
            select(Service.id)
            .join(paid, paid.id == Service.price_id)
            .join(listed, listed.id == func.coalesce(paid.list_price_id, paid.id))
            .outerjoin(CouponRedemption, CouponRedemption.id == paid.redemption_id)
            .where(
                Service.deleted_at.is_(None),
                or_(CouponRedemption.ends_at <= at, moving, Service.id.in_(addon_moving)),
            )
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
            .where(*_follows(Price, listed, at))
            .order_by(Price.moves_at, Price.valid_from)
            .limit(1)
        )


def _open(at: datetime) -> ColumnElement[bool]:
    return or_(Price.valid_until.is_(None), Price.valid_until > at)


def _of(item: str, addon: bool) -> ColumnElement[bool]:
    return Price.addon_id == item if addon else Price.plan_id == item


def _follows(
    follower: type[Price], listed: Price | type[Price], at: datetime
) -> tuple[ColumnElement[bool], ...]:
    """That a version is one to which those with `listed` have moved by then."""
    same = or_(follower.plan_id == listed.plan_id, follower.addon_id == listed.addon_id)
    return (
        same,
        follower.currency == listed.currency,
        follower.source != AGREED,
        follower.existing == "move",
        follower.moves_at <= at,
        follower.valid_from > listed.valid_from,
        _in_force_on_the_day(follower),
    )


def _in_force_on_the_day(price: type[Price]) -> ColumnElement[bool]:
    """Nobody moves to a version that was withdrawn before they were to."""
    return or_(price.valid_until.is_(None), price.valid_until > price.moves_at)


class NoticeDAO(BaseDAO[PriceNotice]):
    model = PriceNotice

    async def projects_to_tell(self, until: datetime, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Of services that move by then and whose customers do not know."""
        statement = (
            select(Service.project_id)
            .distinct()
            .where(Service.id.in_(_untold(until)))
            .order_by(Service.project_id)
            .limit(limit)
        )
        if after is not None:
            statement = statement.where(Service.project_id > after)
        return [row.project_id for row in await self.rows(statement)]

    async def services_to_tell(self, project_id: UUID, until: datetime) -> Sequence[Service]:
        statement = select(Service).where(Service.project_id == project_id, Service.id.in_(_untold(until)))
        rows = await self.rows(statement.order_by(Service.name))
        return [row.Service for row in rows]

    async def note(self, service_id: UUID, price_id: UUID) -> bool:
        """Whether that is news."""
        row = insert(PriceNotice).values(service_id=service_id, price_id=price_id)
        return await self.execute(row.on_conflict_do_nothing()) > 0


def _untold(until: datetime) -> CompoundSelect[UUID]:
    """Services with a move of their plan, or of an add-on, by then that nobody was told of."""
    paid, listed, kept, follower = aliased(Price), aliased(Price), aliased(Price), aliased(Price)
    told = exists().where(PriceNotice.service_id == Service.id, PriceNotice.price_id == follower.id)
    plans = (
        select(Service.id)
        .join(paid, paid.id == Service.price_id)
        .join(listed, listed.id == func.coalesce(paid.list_price_id, paid.id))
        .join(follower, and_(*_follows(follower, listed, until)))
    )
    addons = (
        select(Service.id)
        .join(UsageMeter, UsageMeter.service_id == Service.id)
        .join(kept, kept.id == UsageMeter.kept_price_id)
        .join(follower, and_(*_follows(follower, kept, until)))
    )
    known = (Service.deleted_at.is_(None), not_(told))
    return plans.where(*known).union(addons.where(*known))


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
