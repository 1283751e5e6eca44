"""How automatic payments went, and what that means for the next: tries are few and end with a letter."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.payments import letters
from backend.billing.payments.dao import AutoTopUpDAO
from backend.billing.payments.models import Payment
from backend.database import now

TRIES = 3
PAUSES = (timedelta(hours=1), timedelta(hours=12))
"""Between one try and the next."""
HOPELESS = frozenset(
    {
        *("authentication_required", "expired_card", "lost_card", "stolen_card", "pickup_card"),
        *("permission_revoked", "payment_method_gone", "card_expired", "fraud_suspected"),
    }
)
"""Reasons that no later try changes."""


async def succeeded(session: AsyncSession, payment: Payment) -> None:
    dao = AutoTopUpDAO(session)
    if (wish := await dao.locked(payment.project_id)) is not None:
        wish.failures, wish.next_check_at = 0, now()
        await dao.flush()


async def failed(session: AsyncSession, payment: Payment) -> None:
    dao = AutoTopUpDAO(session)
    wish = await dao.locked(payment.project_id)
    if wish is None or wish.paused_code is not None:
        return
    code = payment.failure_code or "declined"
    wish.failures += 1
    if wish.failures >= TRIES or code in HOPELESS:
        wish.paused_code = code
        await letters.automatic_failed(session, wish, code)
    else:
        wish.next_check_at = now() + PAUSES[min(wish.failures, len(PAUSES)) - 1]
    await dao.flush()


async def stop(session: AsyncSession, project_id: UUID, code: str) -> None:
    """Money went back: to charge the card again for it is nothing that anybody asked for."""
    dao = AutoTopUpDAO(session)
    wish = await dao.locked(project_id)
    if wish is not None and wish.paused_code is None:
        wish.paused_code = code
        await dao.flush()
