"""What a service pays beside the plan of its first unit: further units at the list price, and add-ons."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.metering import meters
from backend.billing.metering.dao import MeterDAO
from backend.billing.metering.models import UNITS
from backend.billing.prices import versions
from backend.billing.prices.versions import PriceVersion
from backend.exceptions import Conflict
from backend.services.models import Service


async def month_of(
    session: AsyncSession, service: Service, plan: PriceVersion, more: Mapping[str, int] | None = None
) -> int:
    """By the month, before tax, with that plan; with so much more of something, if it is asked for."""
    has = await meters.quantities(session, service.id)
    for meter, quantity in (more or {}).items():
        has[meter] = has.get(meter, 0) + quantity
    listed = await versions.get(session, plan.list_price_id)
    assert listed is not None
    month = (has.pop(UNITS) - 1) * listed.month_minor
    prices = await _prices(session, service.id, plan, has)
    return month + sum(
        quantity * prices[meter].month_minor for meter, quantity in has.items() if meter in prices
    )


async def price_of(session: AsyncSession, service: Service, plan: PriceVersion, meter: str) -> PriceVersion:
    """For one more of it. Raises `Conflict` (`addon_not_in_currency`)."""
    if meter == UNITS:
        found = await versions.get(session, plan.list_price_id)
    else:
        found = (await _prices(session, service.id, plan, {meter: 1})).get(meter)
    if found is None:
        raise Conflict("This add-on is not sold in your currency.", code="addon_not_in_currency")
    return found


async def _prices(
    session: AsyncSession, service_id: UUID, plan: PriceVersion, has: Mapping[str, int]
) -> dict[str, PriceVersion]:
    kept = await MeterDAO(session).kept_prices(service_id) if has else {}
    found = {}
    for meter in has:
        price_id = await meters.price_of(session, meter, plan, kept.get(meter))
        price = await versions.get(session, price_id) if price_id else None
        if price is not None:
            found[meter] = price
    return found
