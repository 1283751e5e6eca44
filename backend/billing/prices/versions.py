"""What plans and add-ons cost, and since when: price versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.prices.dao import PriceDAO
from backend.billing.prices.models import Price
from backend.database import now
from backend.services.models import Service

PERIOD_SECONDS = 28 * 86_400
"""A service that runs this long pays its month's price: the shortest month is never a bargain, the others
are capped at it (`docs/decisions/0025-prices-and-holds.md`)."""


@dataclass(frozen=True, slots=True)
class PriceVersion:
    """A price as others use it: amounts before tax rules, in the currency's minor unit."""

    id: UUID
    plan_id: str | None
    addon_id: str | None
    currency: str
    month_minor: int
    setup_minor: int
    valid_from: datetime
    list_price_id: UUID
    """Itself, unless a coupon lowered it."""
    redemption_id: UUID | None

    @property
    def item(self) -> str:
        """The plan or the add-on."""
        found = self.plan_id or self.addon_id
        assert found is not None
        return found


def version_of(price: Price) -> PriceVersion:
    return PriceVersion(
        price.id,
        price.plan_id,
        price.addon_id,
        price.currency,
        price.month_minor,
        price.setup_minor,
        price.valid_from,
        price.list_price_id or price.id,
        price.redemption_id,
    )


async def of_service(session: AsyncSession, service_id: UUID) -> PriceVersion | None:
    """What the service pays now: the price of the plan that is live, or that it was ordered with.

    Discounts are in it. It changes only together with a `resized` usage event. None for a service that was
    ordered while no price was known.
    """
    service = await session.get(Service, service_id)
    if service is None or service.price_id is None:
        return None
    return await get(session, service.price_id)


async def get(session: AsyncSession, price_id: UUID) -> PriceVersion | None:
    """Versions never change, so that a charge can always be explained by the one it was made by."""
    price = await PriceDAO(session).get(price_id)
    return version_of(price) if price else None


async def offered(
    session: AsyncSession, plan_id: str, currency: str, at: datetime | None = None
) -> PriceVersion | None:
    """What who orders at that moment gets; None if the plan is not offered in the currency."""
    return await _offered(session, plan_id, currency, at or now())


async def offered_addon(
    session: AsyncSession, addon_id: str, currency: str, at: datetime | None = None
) -> PriceVersion | None:
    """The same for an add-on."""
    return await _offered(session, addon_id, currency, at or now(), addon=True)


async def _offered(
    session: AsyncSession, item: str, currency: str, at: datetime, *, addon: bool = False
) -> PriceVersion | None:
    price = await PriceDAO(session).newest(item, currency, at, addon=addon)
    if price is None or (price.valid_until is not None and price.valid_until <= at):
        return None
    return version_of(price)


async def all_offered(session: AsyncSession) -> dict[str, list[PriceVersion]]:
    """By plan or add-on, its currencies in order."""
    found: dict[str, list[PriceVersion]] = {}
    for price in await PriceDAO(session).offered(now()):
        version = version_of(price)
        found.setdefault(version.item, []).append(version)
    return found


def shown_in(currency: str, prices: Sequence[PriceVersion]) -> PriceVersion | None:
    """The one of that currency, or any: a price in another one tells more than none."""
    return next((price for price in prices if price.currency == currency), prices[0] if prices else None)


def per_hour(month_minor: int) -> str:
    """Minor units per hour as a decimal text: exact to twelve places, where integers would lie."""
    hour = Fraction(month_minor * 3600, PERIOD_SECONDS)
    scaled = round(hour * 10**12)
    whole, rest = divmod(scaled, 10**12)
    return f"{whole}.{rest:012d}".rstrip("0").rstrip(".")
