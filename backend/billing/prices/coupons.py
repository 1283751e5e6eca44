"""Coupons: whether one may be used, what it takes off, and that it is used no more often than it may.

A discount is a lower price: the service pays an agreed version of the list price, and no coupon ever pays
anything out. Who redeems one holds its row, so that of two at once the last use goes to one.
"""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.money import apply_rate
from backend.billing.prices.dao import AGREED, CouponDAO, PriceDAO, RedemptionDAO
from backend.billing.prices.models import Coupon, CouponRedemption, Price
from backend.billing.prices.versions import PriceVersion
from backend.database import now
from backend.exceptions import Invalid, invalid_field
from backend.services.models import Service
from backend.utils.ids import new_id

_CODE = re.compile(r"[A-Z0-9](?:[A-Z0-9-]{1,38})[A-Z0-9]")


def normalised(code: str) -> str | None:
    """Codes are read by people: spaces around and small letters are forgiven, look-alikes are not."""
    code = code.strip()
    upper = code.upper() if code.isascii() else ""
    return upper if _CODE.fullmatch(upper) else None


async def usable(
    session: AsyncSession,
    code: str,
    project_id: UUID,
    user_id: UUID,
    currency: str,
    *,
    lock: bool = False,
    where: str = "body",
) -> Coupon:
    """The coupon, for an order of that project. Raises `Invalid` and says why not, about the field `coupon`.

    With `lock` it stays usable until the transaction ends.
    """

    def refused(message: str, code: str) -> Invalid:
        return invalid_field([where, "coupon"], message, code)

    dao = CouponDAO(session)
    known = normalised(code)
    coupon = await dao.of_code(known, lock=lock) if known else None
    if coupon is None or coupon.ended_at is not None:
        raise refused("There is no such coupon.", "coupon_unknown")
    if coupon.expires_at is not None and coupon.expires_at <= now():
        raise refused("This coupon has expired.", "coupon_expired")
    if coupon.kind == "amount" and coupon.currency != currency:
        raise refused(f"This coupon is in {coupon.currency}, and you pay in {currency}.", "coupon_currency")
    if coupon.uses_limit is not None and coupon.uses >= coupon.uses_limit:
        raise refused("This coupon has been used up.", "coupon_used_up")
    if await dao.uses_of(coupon.id, project_id) >= coupon.uses_per_project:
        raise refused("This project has used this coupon already.", "coupon_used")
    if coupon.first_order and lock:
        # Two coupons are two rows: a person who uses both at once has one first order nevertheless.
        await dao.lock(f"first-order:{user_id}")
    if coupon.first_order and await dao.ordered_before(project_id, user_id):
        raise refused("This coupon is for a first order.", "coupon_first_order")
    return coupon


def lowered(coupon: Coupon, price: PriceVersion) -> tuple[int, int]:
    """Month's price and set-up fee with the coupon. Never below nothing."""
    if coupon.kind == "amount":
        return max(0, price.month_minor - (coupon.amount_minor or 0)), price.setup_minor
    percent = coupon.percent or 0
    return (
        price.month_minor - apply_rate(price.month_minor, percent, 100),
        price.setup_minor - apply_rate(price.setup_minor, percent, 100),
    )


async def redeem(session: AsyncSession, coupon: Coupon, service: Service, user_id: UUID) -> CouponRedemption:
    """The coupon is `usable` under lock."""
    coupon.uses += 1
    redemption = CouponRedemption(
        id=new_id(),
        coupon_id=coupon.id,
        project_id=service.project_id,
        user_id=user_id,
        service_id=service.id,
        redeemed_at=now(),
    )
    await RedemptionDAO(session).add(redemption)
    return redemption


async def agree(
    session: AsyncSession, listed: PriceVersion, redemption: CouponRedemption, coupon: Coupon
) -> Price:
    """The service's own version of a list price; the same one whenever it comes back to that price."""
    dao = PriceDAO(session)
    price = await dao.agreed(redemption.id, listed.id)
    if price is None:
        month, setup = lowered(coupon, listed)
        price = Price(
            id=new_id(),
            plan_id=listed.plan_id,
            currency=listed.currency,
            month_minor=month,
            setup_minor=setup,
            valid_from=now(),
            existing="keep",
            source=AGREED,
            list_price_id=listed.id,
            redemption_id=redemption.id,
        )
        await dao.add(price)
    return price


async def void(session: AsyncSession, service_id: UUID) -> None:
    """The service never came to be: whoever ordered it may use the coupon again."""
    dao = RedemptionDAO(session)
    redemption = await dao.of_service(service_id)
    if redemption is None:
        return
    coupon = await CouponDAO(session).get_locked(redemption.coupon_id)
    assert coupon is not None
    coupon.uses -= 1
    redemption.voided_at = now()
    await dao.flush()
