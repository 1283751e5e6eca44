"""Making coupons and taking them back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.billing.prices.dao import CouponDAO
from backend.billing.prices.models import Coupon
from backend.billing.prices.schemas import CouponIn
from backend.database import now
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.utils.ids import new_id


async def create(session: AsyncSession, wanted: CouponIn) -> Coupon:
    """Raises `Invalid` for one that is worth nothing or over already, `Conflict` for a code that there is."""
    _check(wanted)
    values = wanted.model_dump()
    if wanted.kind == "percent":
        values |= {"amount_minor": None, "currency": None}
    else:
        values |= {"percent": None}
    coupon = Coupon(id=new_id(), uses=0, **values)
    try:
        await CouponDAO(session).add(coupon)
    except IntegrityError:
        raise Conflict("There is a coupon of this code already.", code="coupon_exists") from None
    await _record(session, Action.COUPON_CREATED, coupon, after=_said(coupon))
    return coupon


async def end(session: AsyncSession, coupon_id: UUID) -> None:
    """Nobody may use it any more; those who did keep what it gave. Raises `Conflict` when that is so."""
    dao = CouponDAO(session)
    coupon = await dao.get_locked(coupon_id)
    if coupon is None:
        raise NotFound("There is no such coupon.")
    if coupon.ended_at is not None:
        raise Conflict("The coupon was taken back already.", code="coupon_over")
    coupon.ended_at = now()
    await dao.flush()
    await _record(session, Action.COUPON_ENDED, coupon, after={"uses": coupon.uses})


def _check(wanted: CouponIn) -> None:
    if wanted.kind == "percent" and wanted.percent is None:
        raise invalid_field(["body", "percent"], "Say how many per cent.", "percent_missing")
    if wanted.kind == "amount" and wanted.amount_minor is None:
        raise invalid_field(["body", "amount_minor"], "Say how much.", "amount_missing")
    if wanted.kind == "amount" and wanted.currency is None:
        raise invalid_field(["body", "currency"], "Say in which currency.", "currency_missing")
    if wanted.expires_at is not None and wanted.expires_at <= now():
        raise invalid_field(["body", "expires_at"], "This moment has passed.", "in_the_past")


def _said(coupon: Coupon) -> dict[str, Any]:
    names = ("kind", "percent", "amount_minor", "currency", "months", "uses_limit", "expires_at")
    return {name: value for name in names if (value := getattr(coupon, name)) is not None}


async def _record(session: AsyncSession, action: Action, coupon: Coupon, *, after: dict[str, Any]) -> None:
    await trail.record(
        session,
        action,
        object_type="coupon",
        object_id=coupon.id,
        object_name=coupon.code,
        after=after,
    )
