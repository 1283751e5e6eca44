"""Tax rates as an administrator keeps them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.billing.prices.dao import TaxRateDAO
from backend.billing.prices.editing import SLACK
from backend.billing.prices.models import TaxRate
from backend.billing.prices.schemas import TaxRateIn
from backend.database import now
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.utils.ids import new_id

PER_CENT = 10_000
"""Millionths."""


async def add(session: AsyncSession, wanted: TaxRateIn) -> TaxRate:
    """Raises `Invalid` for a moment in the past: what was charged by then was taxed by the rate of then."""
    valid_from = wanted.valid_from or now()
    if valid_from < now() - SLACK:
        message = "A rate can begin now or later: what was charged stays as it was."
        raise invalid_field(["body", "valid_from"], message, "in_the_past")
    rate = TaxRate(
        id=new_id(),
        country=wanted.country,
        rate_millionths=int(wanted.rate_percent * PER_CENT),
        valid_from=valid_from,
        source=wanted.source,
    )
    try:
        await TaxRateDAO(session).add(rate)
    except IntegrityError:
        raise Conflict("There is a rate that begins at that moment.", code="version_exists") from None
    await _record(session, Action.TAX_RATE_ADDED, rate, after=_said(rate))
    return rate


async def remove(session: AsyncSession, rate_id: UUID) -> None:
    """Only one that is still to come: by the others taxes were charged."""
    dao = TaxRateDAO(session)
    rate = await dao.get_locked(rate_id)
    if rate is None:
        raise NotFound("There is no such tax rate.")
    if rate.valid_from <= now():
        raise Conflict("This rate is in force; add one that follows it.", code="tax_rate_in_force")
    await _record(session, Action.TAX_RATE_REMOVED, rate, before=_said(rate))
    await dao.delete(rate.id)


def _said(rate: TaxRate) -> dict[str, Any]:
    return {"rate_millionths": rate.rate_millionths, "valid_from": rate.valid_from, "source": rate.source}


async def _record(session: AsyncSession, action: Action, rate: TaxRate, **changes: dict[str, Any]) -> None:
    await trail.record(
        session,
        action,
        object_type="tax_rate",
        object_id=rate.id,
        object_name=rate.country,
        **changes,  # type: ignore[arg-type]
    )
