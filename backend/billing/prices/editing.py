"""Changing what things cost: a new version follows the present one, and nothing that was paid changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.billing.prices.dao import PriceDAO
from backend.billing.prices.models import Price
from backend.catalogue.models import Addon, Plan
from backend.database import now
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.utils.ids import new_id

SLACK = timedelta(minutes=5)
"""By which a moment that was `now` in a form may lie in the past."""


@dataclass(frozen=True, slots=True)
class Version:
    item: str
    """A plan, or an add-on."""
    currency: str
    month_minor: int
    setup_minor: int
    valid_from: datetime
    existing: Literal["keep", "move"] = "keep"
    moves_at: datetime | None = None
    """None with `move`: at once when it becomes valid."""
    addon: bool = False


async def add_version(session: AsyncSession, wanted: Version, *, source: str = "admin") -> Price:
    """Raises `Invalid` for a plan or add-on that there is not, a set-up fee of an add-on and moments in the
    past, `Conflict` for a version that begins at the same moment.
    """
    dao = PriceDAO(session)
    if wanted.addon and await session.get(Addon, wanted.item) is None:
        raise invalid_field(["body", "addon_id"], "There is no such add-on.", "addon_unknown")
    if not wanted.addon and await session.get(Plan, wanted.item) is None:
        raise invalid_field(["body", "plan_id"], "There is no such plan.", "plan_unknown")
    if wanted.addon and wanted.setup_minor:
        raise invalid_field(["body", "setup_minor"], "Add-ons have no set-up fee.", "addon_setup")
    if wanted.valid_from < now() - SLACK:
        message = "A price can begin now or later: what was charged stays as it was."
        raise invalid_field(["body", "valid_from"], message, "in_the_past")
    moves_at = None
    if wanted.existing == "move":
        moves_at = wanted.moves_at or wanted.valid_from
        if moves_at < wanted.valid_from:
            message = "Nobody moves to a price before it is valid."
            raise invalid_field(["body", "moves_at"], message, "before_valid")
    price = Price(
        id=new_id(),
        plan_id=None if wanted.addon else wanted.item,
        addon_id=wanted.item if wanted.addon else None,
        currency=wanted.currency,
        month_minor=wanted.month_minor,
        setup_minor=wanted.setup_minor,
        valid_from=wanted.valid_from,
        existing=wanted.existing,
        moves_at=moves_at,
        source=source,
    )
    try:
        await dao.add(price)
    except IntegrityError:
        raise Conflict("There is a version that begins at that moment.", code="version_exists") from None
    await _record(session, Action.PRICE_ADDED, price, after=_said(price))
    return price


async def withdraw(session: AsyncSession, price_id: UUID) -> None:
    """One that is not yet valid goes without a trace; the present one is offered no more.

    Who has it keeps it. Raises `Conflict` for one of the past.
    """
    dao = PriceDAO(session)
    price = await dao.get_locked(price_id)
    if price is None or price.source == "agreed":
        raise NotFound("There is no such price.")
    if price.valid_from > now():
        await _record(session, Action.PRICE_WITHDRAWN, price, before=_said(price))
        await dao.delete(price.id)
        return
    item = price.plan_id or price.addon_id
    assert item is not None
    present = await dao.newest(item, price.currency, now(), addon=price.addon_id is not None)
    if present is None or present.id != price.id or price.valid_until is not None:
        raise Conflict("This price is offered no more already.", code="price_over")
    price.valid_until = now()
    await dao.flush()
    await _record(session, Action.PRICE_WITHDRAWN, price, before=_said(price))


def _said(price: Price) -> dict[str, Any]:
    return {
        **({"addon_id": price.addon_id} if price.addon_id else {"plan_id": price.plan_id}),
        "currency": price.currency,
        "price_minor": price.month_minor,
        "setup_minor": price.setup_minor,
        "valid_from": price.valid_from,
        "existing": price.existing,
        **({"moves_at": price.moves_at} if price.moves_at else {}),
    }


async def _record(session: AsyncSession, action: Action, price: Price, **changes: dict[str, Any]) -> None:
    await trail.record(
        session,
        action,
        object_type="price",
        object_id=price.id,
        object_name=f"{price.plan_id or price.addon_id} {price.currency}",
        **changes,  # type: ignore[arg-type]
    )
