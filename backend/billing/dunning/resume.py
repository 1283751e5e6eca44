"""Money came in: what stood still for want of it runs again, in the same transaction."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.dunning.advancing import advance
from backend.billing.dunning.dao import PaidServiceDAO, StateDAO
from backend.config import get_settings
from backend.database import now


async def before_payment(session: AsyncSession, project_id: UUID) -> None:
    """Before anything is posted: services are locked before money, by everyone."""
    await PaidServiceDAO(session).locked_of(project_id)


async def after_payment(session: AsyncSession, project_id: UUID) -> None:
    """After a top-up, a bonus, a correction: its jobs are accepted with it, not by the next run."""
    if await StateDAO(session).troubled(project_id):
        await advance(session, get_settings(), project_id, now())
