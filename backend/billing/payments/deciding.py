"""What a person decides where the gateway's word is not enough: money that came in as another amount, and
refunds whose end nobody can learn.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.billing.payments import refunding, settling
from backend.billing.payments.dao import PaymentDAO, RefundDAO
from backend.billing.payments.gateways.base import RefundFacts
from backend.billing.payments.models import Payment, PaymentState, Refund, RefundState
from backend.exceptions import Conflict, NotFound
from backend.jobs.dao import JobDAO
from backend.jobs.models import Job


async def review(
    session: AsyncSession, payment_id: UUID, user_id: UUID, reason: str, *, give_back: bool
) -> Job | None:
    """Credit what the gateway took instead of what was asked for, and send it back if that was decided.

    Raises `NotFound`, and `Conflict`: also if what is due has used up what should go back.
    """
    payment = await PaymentDAO(session).get_locked(payment_id)
    if payment is None:
        raise NotFound("There is no such payment.")
    if payment.state != PaymentState.REVIEW:
        raise Conflict("There is nothing to decide about this payment.", code="not_in_review")
    if payment.taken_amount is None or payment.taken_currency != payment.currency:
        raise Conflict(
            "What was taken is no amount of the payment's currency. Send it back at the gateway.",
            code="wrong_currency",
        )
    before = {"amount": payment.amount, "currency": payment.currency, "state": payment.state}
    payment.amount = payment.taken_amount
    await settling.credit(session, payment)
    await _record(session, Action.PAYMENT_REVIEWED, payment, before, {"state": payment.state}, reason)
    if not give_back:
        return None
    _, job = await refunding.ask(session, payment_id, user_id, None, reason)
    return job


async def end_refund(session: AsyncSession, refund_id: UUID, reason: str, outcome: RefundState) -> Refund:
    """By somebody who knows what became of it. Should the gateway say otherwise later, that is followed.

    Raises `NotFound` and `Conflict`.
    """
    dao = RefundDAO(session)
    found = await dao.get(refund_id)
    if found is None:
        raise NotFound("There is no such refund.")
    payment = await PaymentDAO(session).get_locked(found.payment_id)
    assert payment is not None
    refund = await dao.get_locked(refund_id)
    assert refund is not None
    if refund.state != RefundState.PENDING:
        raise Conflict("This refund has ended.", code="refund_ended")
    if await JobDAO(session).is_open(refund.job_id):
        raise Conflict("The gateway is being asked. Wait until the job ends.", code="job_running")
    ref = refund.gateway_ref or f"by-hand:{refund.id}"
    code = None if outcome is RefundState.SUCCEEDED else "ended_by_hand"
    facts = RefundFacts(ref, refund.id, payment.charge_ref or "", refund.amount, outcome, code)
    await refunding.apply(session, payment, refund, facts)
    before = {"amount": refund.amount, "currency": payment.currency, "state": RefundState.PENDING}
    await _record(session, Action.PAYMENT_REFUND_ENDED, payment, before, {"state": refund.state}, reason)
    return refund


async def _record(
    session: AsyncSession,
    action: Action,
    payment: Payment,
    before: dict[str, object],
    after: dict[str, object],
    reason: str,
) -> None:
    await record(
        session,
        action,
        object_type="payment",
        object_id=payment.id,
        object_name=payment.gateway,
        project_id=payment.project_id,
        before=before,
        after={"amount": payment.amount, "currency": payment.currency, **after, "reason": reason},
    )
