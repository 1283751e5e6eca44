"""Entries that an administrator makes by hand: with a reason, and above a limit by two of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.billing.dunning import resume
from backend.billing.ledger import limits, moves
from backend.billing.ledger.about import About
from backend.billing.ledger.dao import AdjustmentsDAO
from backend.billing.ledger.models import LedgerAdjustment
from backend.config import get_settings
from backend.database import now
from backend.exceptions import Conflict, NotFound
from backend.projects.dao import ProjectDAO
from backend.utils.ids import new_id


async def propose(
    session: AsyncSession, by: UUID, project_id: UUID, currency: str, amount: int, reason: str
) -> LedgerAdjustment:
    """Posted at once up to the limit; above it another administrator decides.

    Raises `Conflict` (`insufficient_funds`) if it takes more than is available.
    """
    if await ProjectDAO(session).get(project_id) is None:
        raise NotFound("There is no such project.")
    adjustment = LedgerAdjustment(
        id=new_id(),
        project_id=project_id,
        currency=currency,
        amount=amount,
        reason=reason,
        state="proposed",
        proposed_by=by,
    )
    await AdjustmentsDAO(session).add(adjustment)
    await _record(session, Action.ADJUSTMENT_PROPOSED, adjustment)
    if abs(amount) <= limits.alone(get_settings(), currency):
        await _post(session, adjustment)
    return adjustment


async def approve(session: AsyncSession, adjustment_id: UUID, by: UUID) -> LedgerAdjustment:
    """Raises `Conflict` for one's own (`own_proposal`) and for what was decided already."""
    adjustment = await _open(session, adjustment_id)
    if adjustment.proposed_by == by:
        raise Conflict("Another administrator has to approve what you proposed.", code="own_proposal")
    adjustment.decided_by, adjustment.decided_at = by, now()
    await _post(session, adjustment)
    return adjustment


async def refuse(session: AsyncSession, adjustment_id: UUID, by: UUID) -> LedgerAdjustment:
    """One's own as well: it is taken back."""
    adjustment = await _open(session, adjustment_id)
    adjustment.state, adjustment.decided_by, adjustment.decided_at = "refused", by, now()
    await AdjustmentsDAO(session).flush()
    await _record(session, Action.ADJUSTMENT_REFUSED, adjustment)
    return adjustment


async def _open(session: AsyncSession, adjustment_id: UUID) -> LedgerAdjustment:
    adjustment = await AdjustmentsDAO(session).get_locked(adjustment_id)
    if adjustment is None:
        raise NotFound("There is no such proposal.")
    if adjustment.state != "proposed":
        raise Conflict("This was decided already.", code="already_decided")
    return adjustment


async def _post(session: AsyncSession, adjustment: LedgerAdjustment) -> None:
    await resume.before_payment(session, adjustment.project_id)
    posted = await moves.adjust(
        *(session, adjustment.project_id, adjustment.currency, adjustment.amount),
        key=f"adjustment:{adjustment.id}",
        about=About(
            "manual",
            "adjustment",
            {"reason": adjustment.reason},
            source_type="ledger_adjustment",
            source_id=adjustment.id,
        ),
    )
    adjustment.state, adjustment.transaction_id = "posted", posted.transaction_id
    await AdjustmentsDAO(session).flush()
    await _record(session, Action.ADJUSTMENT_POSTED, adjustment)
    if adjustment.amount > 0:
        await resume.after_payment(session, adjustment.project_id)


async def _record(session: AsyncSession, action: Action, adjustment: LedgerAdjustment) -> None:
    after: dict[str, Any] = {"amount": adjustment.amount, "currency": adjustment.currency}
    await trail.record(
        session,
        action,
        object_type="adjustment",
        object_id=adjustment.id,
        project_id=adjustment.project_id,
        after={**after, "reason": adjustment.reason},
    )
