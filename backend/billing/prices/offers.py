"""What a service would cost its project: price version, discount and tax together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.ledger import standing
from backend.billing.prices import beside, coupons, tax, versions
from backend.billing.prices.dao import CouponDAO, PriceDAO, RedemptionDAO
from backend.billing.prices.models import Coupon, CouponRedemption
from backend.billing.prices.tax import Treatment
from backend.billing.prices.versions import PriceVersion, version_of
from backend.config import get_settings
from backend.database import now
from backend.exceptions import invalid_field
from backend.services.models import Service


@dataclass(frozen=True, slots=True)
class Offer:
    """Amounts in minor units, as prices say them: with or without tax, as the treatment says."""

    listed: PriceVersion
    month_minor: int
    setup_minor: int
    treatment: Treatment
    coupon: Coupon | None = None
    redemption: CouponRedemption | None = None
    beside_minor: int = 0
    """A month of what the service has beside the first unit."""

    @property
    def month_gross(self) -> int:
        """Of all that it has."""
        return tax.gross(self.month_minor + self.beside_minor, self.treatment)

    @property
    def setup_gross(self) -> int:
        return tax.gross(self.setup_minor, self.treatment)


async def for_order(
    session: AsyncSession,
    project_id: UUID,
    user_id: UUID | None,
    plan_id: str,
    code: str | None,
    *,
    lock: bool = False,
    where: str = "body",
) -> Offer:
    """Raises `Invalid` for a plan that is not sold in the project's currency, and for a coupon."""
    currency = await standing.currency_of(session, project_id)
    listed = await versions.offered(session, plan_id, currency)
    if listed is None and not get_settings().billing_enabled:
        # Nothing is charged, so that any price is better than no order.
        listed = versions.shown_in(currency, (await versions.all_offered(session)).get(plan_id, []))
    if listed is None:
        raise invalid_field(
            [where, "plan_id"], f"This plan is not sold in {currency}.", "plan_not_in_currency"
        )
    treatment = await tax.treatment_of(session, project_id)
    if not code or user_id is None:
        return Offer(listed, listed.month_minor, listed.setup_minor, treatment)
    coupon = await coupons.usable(session, code, project_id, user_id, listed.currency, lock=lock, where=where)
    return Offer(listed, *coupons.lowered(coupon, listed), treatment, coupon)


async def for_plan(
    session: AsyncSession, service: Service, plan_id: str, paid: PriceVersion | None
) -> Offer | None:
    """What the service would pay with that plan: what it pays now if it is the same, else today's price;
    and for all that it has beside.

    Its coupon goes along. None for a plan that was never sold in the currency that it pays in.
    """
    offer = await _for_plan(session, service, plan_id, paid)
    if offer is None:
        return None
    return replace(offer, beside_minor=await beside.month_of(session, service, offer.listed))


async def _for_plan(
    session: AsyncSession, service: Service, plan_id: str, paid: PriceVersion | None
) -> Offer | None:
    treatment = await tax.treatment_of(session, service.project_id)
    if paid is not None and paid.plan_id == plan_id:
        return await _as_paid(session, paid, treatment)
    currency = paid.currency if paid else await standing.currency_of(session, service.project_id)
    price = await PriceDAO(session).newest(plan_id, currency, now())
    if price is None:
        return None
    listed = version_of(price)
    redemption = await RedemptionDAO(session).of_service(service.id)
    if redemption is None or (redemption.ends_at is not None and redemption.ends_at <= now()):
        return Offer(listed, listed.month_minor, listed.setup_minor, treatment)
    coupon = await CouponDAO(session).get(redemption.coupon_id)
    assert coupon is not None
    return Offer(listed, *coupons.lowered(coupon, listed), treatment, coupon, redemption)


async def _as_paid(session: AsyncSession, paid: PriceVersion, treatment: Treatment) -> Offer:
    if paid.redemption_id is None:
        return Offer(paid, paid.month_minor, paid.setup_minor, treatment)
    listed = await versions.get(session, paid.list_price_id)
    redemption = await RedemptionDAO(session).get(paid.redemption_id)
    assert listed is not None
    assert redemption is not None
    coupon = await CouponDAO(session).get(redemption.coupon_id)
    return Offer(listed, paid.month_minor, paid.setup_minor, treatment, coupon, redemption)


async def price_of(session: AsyncSession, offer: Offer) -> UUID:
    """The version to pay by: the list's, or with a discount the service's own."""
    if offer.coupon is None or offer.redemption is None:
        return offer.listed.id
    return (await coupons.agree(session, offer.listed, offer.redemption, offer.coupon)).id
