"""Disputes: what a customer's bank takes back is off the balance at once, as it is off ours at the gateway;
a dispute that is won brings it back.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.billing.dunning import resume
from backend.billing.ledger import moves
from backend.billing.ledger.about import About
from backend.billing.payments import auto_results, letters
from backend.billing.payments.dao import DisputeDAO
from backend.billing.payments.gateways.base import DisputeFacts
from backend.billing.payments.models import Dispute, DisputeState, Payment, PaymentState
from backend.database import now
from backend.utils.ids import new_id

ASKED_AGAIN = timedelta(hours=12)
_DECIDED = (DisputeState.WON, DisputeState.LOST)


async def apply(session: AsyncSession, payment: Payment, facts: DisputeFacts) -> None:
    """The payment's row is locked."""
    dao = DisputeDAO(session)
    dispute = await dao.by_ref(payment.gateway, facts.ref)
    if dispute is None:
        dispute = Dispute(
            id=new_id(),
            payment_id=payment.id,
            gateway=payment.gateway,
            gateway_ref=facts.ref,
            amount=facts.amount,
            reason=facts.reason,
            state=DisputeState.INQUIRY,
            taken=False,
            next_check_at=now() + ASKED_AGAIN,
        )
        await dao.add(dispute)
    if dispute.state == DisputeState.WON:
        return
    if facts.state in (DisputeState.OPEN, DisputeState.LOST):
        await _take(session, payment, dispute)
    if facts.state is DisputeState.WON and dispute.taken:
        await _give_back(session, payment, dispute)
    if dispute.state != facts.state:
        dispute.state = facts.state
        dispute.closed_at = now() if facts.state in _DECIDED else None
        dispute.next_check_at = None if facts.state in _DECIDED else now() + ASKED_AGAIN
        await record(
            session,
            Action.PAYMENT_DISPUTED,
            object_type="payment",
            object_id=payment.id,
            object_name=payment.gateway,
            project_id=payment.project_id,
            after={"state": facts.state, "amount": facts.amount, "currency": payment.currency},
        )
    await dao.flush()


async def _take(session: AsyncSession, payment: Payment, dispute: Dispute) -> None:
    # Of what waits for a person, nothing was credited.
    if dispute.taken or payment.state == PaymentState.REVIEW:
        return
    dispute.taken = True
    await moves.take_back(
        session,
        payment.project_id,
        payment.currency,
        dispute.amount,
        key=f"dispute:{dispute.id}",
        gateway=payment.gateway,
        about=_about("dispute", payment),
    )
    await auto_results.stop(session, payment.project_id, "disputed")
    await letters.disputed(session, payment, dispute)


async def _give_back(session: AsyncSession, payment: Payment, dispute: Dispute) -> None:
    dispute.taken = False
    await resume.before_payment(session, payment.project_id)
    await moves.top_up(
        session,
        payment.project_id,
        payment.currency,
        dispute.amount,
        key=f"dispute:{dispute.id}:won",
        gateway=payment.gateway,
        about=_about("dispute_won", payment),
    )
    await resume.after_payment(session, payment.project_id)


def _about(code: str, payment: Payment) -> About:
    return About("payment", code, {"gateway": payment.gateway}, source_type="payment", source_id=payment.id)
