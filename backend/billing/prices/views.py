"""Prices, coupons and tax rates in the shape that the API shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.prices.dao import PriceDAO, TaxRateDAO
from backend.billing.prices.models import Coupon, CouponRedemption, Price, TaxRate
from backend.catalogue.loading import Addons, Plans
from backend.catalogue.models import Addon, Plan
from backend.config import get_settings
from backend.dao.listing import Listing, Sort, moment
from backend.database import now
from backend.services.models import Service

_OF_COUPON = ("code", "kind", "percent", "amount_minor", "currency", "months")
_coupon_columns = tuple(getattr(Coupon, name) for name in _OF_COUPON)
_MORE = (
    *("id", "first_order", "uses", "uses_limit", "uses_per_project", "expires_at", "ended_at", "note"),
    "created_at",
)

REDEMPTIONS = Listing(
    select(
        CouponRedemption.id,
        *_coupon_columns,
        CouponRedemption.service_id,
        Service.name.label("service_name"),
        CouponRedemption.redeemed_at,
        CouponRedemption.ends_at,
    )
    .join(Coupon, Coupon.id == CouponRedemption.coupon_id)
    .join(Service, Service.id == CouponRedemption.service_id)
    .where(CouponRedemption.voided_at.is_(None)),
    id_column=CouponRedemption.id,
    filters={"project_id": lambda value: CouponRedemption.project_id == value},
    sorts={"redeemed_at": Sort(CouponRedemption.redeemed_at, moment)},
)

COUPONS = Listing(
    select(*_coupon_columns, *(getattr(Coupon, name) for name in _MORE)),
    id_column=Coupon.id,
    filters={"code": lambda value: Coupon.code == value},
    sorts={"created_at": Sort(Coupon.created_at, moment)},
)


def shape_coupon(coupon: Coupon) -> dict[str, Any]:
    return {name: getattr(coupon, name) for name in (*_OF_COUPON, *_MORE)}


async def price_list(session: AsyncSession) -> dict[str, Any]:
    """Every plan and add-on and all their versions, those to come and those of the past among them."""
    by_item: dict[str, list[dict[str, Any]]] = {}
    newer: dict[tuple[str, str], Price] = {}
    moment_ = now()
    for row in await PriceDAO(session).versions():
        price: Price = row.Price
        item = price.plan_id or price.addon_id or ""
        follower = newer.get((item, price.currency))
        newer[item, price.currency] = price
        until = price.valid_until or (follower.valid_from if follower else None)
        if price.valid_from > moment_:
            state = "coming"
        elif follower is not None and follower.valid_from <= moment_:
            state = "past"
        else:
            state = "withdrawn" if price.valid_until is not None else "present"
        by_item.setdefault(item, []).append(
            {**_version(price), "valid_until": until, "state": state, "services": row.services}
        )
    plans = await Plans(session).rows(select(Plan.id, Plan.title, Plan.active).order_by(Plan.position))
    told = (Addon.id, Addon.title, Addon.unit, Addon.active)
    addons = await Addons(session).rows(select(*told).order_by(Addon.position))
    return {
        "currency": get_settings().currency,
        "items": [
            {"id": plan.id, "title": plan.title, "active": plan.active, "versions": by_item.get(plan.id, [])}
            for plan in plans
        ],
        "addons": [{**addon._mapping, "versions": by_item.get(addon.id, [])} for addon in addons],
    }


def _version(price: Price) -> Mapping[str, Any]:
    names = ("id", "plan_id", "addon_id", "currency", "month_minor", "setup_minor", "valid_from", "existing")
    return {name: getattr(price, name) for name in (*names, "moves_at", "source")}


async def tax_rates(session: AsyncSession) -> dict[str, Any]:
    """By country, newest first."""
    settings = get_settings()
    moment_ = now()
    items: list[dict[str, Any]] = []
    present: set[str] = set()
    for rate in await TaxRateDAO(session).of_all():
        state = "coming" if rate.valid_from > moment_ else "past" if rate.country in present else "present"
        if state == "present":
            present.add(rate.country)
        items.append({**shape_rate(rate), "state": state})
    return {
        "operator_country": settings.operator_country,
        "prices_include_tax": settings.prices_include_tax,
        "items": items,
    }


def shape_rate(rate: TaxRate) -> dict[str, Any]:
    names = ("id", "country", "rate_millionths", "valid_from", "source")
    return {name: getattr(rate, name) for name in names}
