"""What a project's stage is judged by, read from the ledger and the forecast."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.dunning.dao import PaidServiceDAO
from backend.billing.dunning.judging import Facts
from backend.billing.ledger import moves, standing
from backend.billing.ledger.standing import Standing
from backend.billing.metering import forecast


async def read(session: AsyncSession, project_id: UUID, at: datetime) -> Facts:
    """Nothing is locked: a first look, by which nothing is decided."""
    present = await standing.of(session, project_id)
    return await _facts(session, project_id, present, at)


async def hold(session: AsyncSession, project_id: UUID, at: datetime) -> Facts:
    """Under the lock of the project's money, which comes after those of its services.

    What is due is settled first: a limit may have been raised since it came about.
    """
    currency = await standing.currency_of(session, project_id)
    await standing.locked(session, project_id, currency)
    await moves.settle(session, project_id, currency)
    return await _facts(session, project_id, await standing.of(session, project_id), at)


async def _facts(session: AsyncSession, project_id: UUID, present: list[Standing], at: datetime) -> Facts:
    rate = await forecast.of(session, project_id, at=at)
    return Facts(
        funds=forecast.funds_of(present[0]) - rate.accrued,
        due=_owed(present[0]),
        days_left=rate.days_left,
        services=await PaidServiceDAO(session).count_of(project_id),
    )


def _owed(one: Standing) -> int:
    """What is left due once all that may be settled is."""
    return max(0, -one.due - max(0, one.balance + one.credit_limit))
