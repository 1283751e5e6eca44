"""The money that a service keeps aside: put in, drawn by charges, released.

Each posting has a key of the hold and a number, so that nothing moves twice. The hold's row is locked
before the ledger's accounts are, everywhere.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.ledger import moves
from backend.billing.ledger.about import About
from backend.billing.prices.dao import HoldDAO
from backend.billing.prices.models import OrderHold
from backend.database import now
from backend.services.models import Service
from backend.utils.ids import new_id


async def put(
    session: AsyncSession, service: Service, hold: OrderHold | None, currency: str, amount: int
) -> OrderHold:
    """Set that much more aside. Raises `Conflict` (`insufficient_funds`)."""
    if hold is None:
        hold = OrderHold(
            id=new_id(),
            service_id=service.id,
            project_id=service.project_id,
            currency=currency,
            amount_minor=0,
            remaining_minor=0,
            covers_minor=0,
            setup_minor=0,
            steps=0,
        )
        await HoldDAO(session).add(hold)
    hold.steps += 1
    about = _about(hold, "hold.order" if hold.steps == 1 else "hold.upgrade", service.name)
    await moves.hold(session, hold.project_id, hold.currency, amount, key=_key(hold), about=about)
    hold.amount_minor += amount
    hold.remaining_minor += amount
    await HoldDAO(session).flush()
    return hold


async def draw(session: AsyncSession, service_id: UUID, amount: int) -> int:
    """How much of a charge of that size comes out of the service's hold; the caller charges it, in the same
    transaction, with `from_held`.
    """
    dao = HoldDAO(session)
    hold = await dao.open_of(service_id)
    if hold is None:
        return 0
    drawn = min(amount, hold.remaining_minor - hold.setup_minor)
    hold.remaining_minor -= drawn
    await dao.flush()
    return drawn


async def reduce(session: AsyncSession, hold: OrderHold, amount: int, name: str) -> None:
    """Give back a part of it."""
    if amount <= 0:
        return
    hold.steps += 1
    hold.remaining_minor -= amount
    await HoldDAO(session).flush()
    about = _about(hold, "hold.reduced", name)
    await moves.release(session, hold.project_id, hold.currency, amount, key=_key(hold), about=about)


async def release(session: AsyncSession, hold: OrderHold, name: str) -> None:
    """Give back what is left, and close it."""
    amount, hold.remaining_minor = hold.remaining_minor, 0
    hold.released_at, hold.setup_minor = now(), 0
    hold.steps += 1
    await HoldDAO(session).flush()
    if amount:
        about = _about(hold, "hold.released", name)
        await moves.release(session, hold.project_id, hold.currency, amount, key=_key(hold), about=about)


def _key(hold: OrderHold) -> str:
    return f"hold:{hold.id}:{hold.steps}"


def _about(hold: OrderHold, code: str, name: str) -> About:
    parameters: dict[str, Any] = {"service": name}
    return About(
        kind="order",
        code=code,
        parameters=parameters,
        service_id=hold.service_id,
        source_type="order_hold",
        source_id=hold.id,
    )
