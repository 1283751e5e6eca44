"""Refunds: never more than was paid, nor more than the balance.

What is to go back is set aside when the refund is accepted, so that it cannot be spent meanwhile, and leaves
the ledger once the gateway says that it went. One that was made at the gateway itself has gone already.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.billing.dunning import resume
from backend.billing.ledger import moves, standing
from backend.billing.ledger.about import About
from backend.billing.ledger.funds import InsufficientFunds
from backend.billing.payments import auto_results
from backend.billing.payments.dao import PaymentDAO, RefundDAO
from backend.billing.payments.gateways.base import RefundFacts
from backend.billing.payments.models import Payment, PaymentState, Refund, RefundState
from backend.billing.payments.settling import BY_HAND
from backend.database import now
from backend.exceptions import Conflict, NotFound
from backend.jobs import queue
from backend.jobs.models import Job
from backend.utils.ids import new_id

KIND = "payment.refund"
FIRST_CHECK = timedelta(seconds=30)


async def ask(
    session: AsyncSession, payment_id: UUID, user_id: UUID, amount: int | None, reason: str
) -> tuple[Refund, Job | None]:
    """All that is left of the payment without an `amount`. What came by bank or by hand goes back by hand:
    there is no job, and it counts at once. Raises `NotFound` and `Conflict`.
    """
    payment = await PaymentDAO(session).get_locked(payment_id)
    if payment is None:
        raise NotFound("There is no such payment.")
    if payment.state != PaymentState.SUCCEEDED:
        raise Conflict("Nothing was paid that could go back.", code="payment_not_succeeded")
    left = payment.amount - payment.refunded - payment.refunding
    amount = left if amount is None else amount
    if amount > left or amount <= 0:
        raise Conflict(
            "More than is left of the payment cannot go back.",
            code="refund_too_large",
            parameters={"left": left, "currency": payment.currency},
        )
    present = await standing.locked(session, payment.project_id, payment.currency)
    if min(present.balance, present.available) < amount:
        raise InsufficientFunds(present, amount)
    refund = Refund(
        id=new_id(),
        payment_id=payment.id,
        user_id=user_id,
        amount=amount,
        reason=reason,
        state=RefundState.PENDING,
        next_check_at=None if payment.gateway in BY_HAND else now() + FIRST_CHECK,
    )
    job = None
    if payment.gateway not in BY_HAND:
        job = await queue.accept(session, KIND, project_id=payment.project_id, user_id=user_id)
        refund.job_id = job.id
    payment.refunding += amount
    await RefundDAO(session).add(refund)
    await moves.hold(
        session,
        payment.project_id,
        payment.currency,
        amount,
        key=f"refund:{refund.id}:hold",
        about=_about("refund_held", payment),
    )
    if job is None:
        await _gone(session, payment, refund)
    await auto_results.stop(session, payment.project_id, "refunded")
    await record(
        session,
        Action.PAYMENT_REFUNDED,
        object_type="payment",
        object_id=payment.id,
        object_name=payment.gateway,
        project_id=payment.project_id,
        after={"amount": amount, "currency": payment.currency, "reason": reason},
    )
    return refund, job


async def apply_all(session: AsyncSession, payment: Payment, found: Iterable[RefundFacts]) -> bool:
    """What the gateway says of all refunds of a payment, whose row is locked; false if one found no room."""
    if payment.state == PaymentState.REVIEW:
        # Nothing was credited, so nothing is to be taken.
        return True
    placed = True
    dao = RefundDAO(session)
    ours = await dao.all_of(payment.id)
    by_id = {one.id: one for one in ours}
    by_ref = {one.gateway_ref: one for one in ours}
    for facts in found:
        refund = by_id.get(facts.refund_id) if facts.refund_id else None
        refund = refund or by_ref.get(facts.ref)
        if refund is not None:
            placed &= await apply(session, payment, refund, facts)
        elif facts.state is RefundState.SUCCEEDED:
            placed &= await _made_there(session, payment, facts)
    return placed


async def apply(session: AsyncSession, payment: Payment, refund: Refund, facts: RefundFacts) -> bool:
    """The payment's row is locked; a refund changes under that lock only.

    False if it went after all, and ours that are under way leave no room for it.
    """
    refund.gateway_ref = refund.gateway_ref or facts.ref
    if refund.state == RefundState.PENDING and facts.state is RefundState.SUCCEEDED:
        await _gone(session, payment, refund)
    elif refund.state == RefundState.PENDING and facts.state is RefundState.FAILED:
        await fail(session, payment, refund, facts.failure_code)
    elif refund.state == RefundState.SUCCEEDED and facts.state is RefundState.FAILED:
        await _returned(session, payment, refund, facts.failure_code)
    elif refund.state == RefundState.FAILED and facts.state is RefundState.SUCCEEDED:
        if refund.amount > _room(payment):
            return False
        await _went_after_all(session, payment, refund)
    await RefundDAO(session).flush()
    return True


def _room(payment: Payment) -> int:
    """What may go back still. Ours that are under way will give way: the gateway refuses them."""
    return payment.amount - payment.refunded - payment.refunding


async def fail(session: AsyncSession, payment: Payment, refund: Refund, code: str | None) -> None:
    """The gateway does not do it: what was set aside may be spent again."""
    refund.state, refund.failure_code, refund.next_check_at = RefundState.FAILED, code, None
    payment.refunding -= refund.amount
    await RefundDAO(session).flush()
    await moves.release(
        session,
        payment.project_id,
        payment.currency,
        refund.amount,
        key=f"refund:{refund.id}:release",
        about=_about("refund_released", payment),
    )


async def _gone(session: AsyncSession, payment: Payment, refund: Refund) -> None:
    refund.state, refund.succeeded_at, refund.next_check_at = RefundState.SUCCEEDED, now(), None
    payment.refunding -= refund.amount
    payment.refunded += refund.amount
    await RefundDAO(session).flush()
    await moves.pay_back(
        session,
        payment.project_id,
        payment.currency,
        refund.amount,
        key=f"refund:{refund.id}",
        gateway=payment.gateway,
        from_held=refund.amount,
        about=_about("refund", payment),
    )


async def _returned(session: AsyncSession, payment: Payment, refund: Refund, code: str | None) -> None:
    """The customer's bank did not take it, days later: the gateway has the money again."""
    refund.state, refund.failure_code = RefundState.FAILED, code
    payment.refunded -= refund.amount
    await RefundDAO(session).flush()
    await resume.before_payment(session, payment.project_id)
    await moves.top_up(
        session,
        payment.project_id,
        payment.currency,
        refund.amount,
        key=f"refund:{refund.id}:returned",
        gateway=payment.gateway,
        about=_about("refund_returned", payment),
    )
    await resume.after_payment(session, payment.project_id)


async def _went_after_all(session: AsyncSession, payment: Payment, refund: Refund) -> None:
    """What was set aside may have been spent since."""
    refund.state, refund.failure_code, refund.succeeded_at = RefundState.SUCCEEDED, None, now()
    payment.refunded += refund.amount
    await RefundDAO(session).flush()
    await moves.take_back(
        session,
        payment.project_id,
        payment.currency,
        refund.amount,
        key=f"refund:{refund.id}:after_all",
        gateway=payment.gateway,
        about=_about("refund", payment),
    )


async def _made_there(session: AsyncSession, payment: Payment, facts: RefundFacts) -> bool:
    """By somebody who used the gateway's own pages. False if ours that are under way leave no room for it."""
    if facts.amount > _room(payment):
        return False
    refund = Refund(
        id=new_id(),
        payment_id=payment.id,
        amount=facts.amount,
        state=RefundState.SUCCEEDED,
        gateway_ref=facts.ref,
        at_gateway=True,
        succeeded_at=now(),
    )
    payment.refunded += facts.amount
    await RefundDAO(session).add(refund)
    await moves.take_back(
        session,
        payment.project_id,
        payment.currency,
        refund.amount,
        key=f"refund:{refund.id}",
        gateway=payment.gateway,
        about=_about("refund", payment),
    )
    await auto_results.stop(session, payment.project_id, "refunded")
    return True


def _about(code: str, payment: Payment) -> About:
    return About("payment", code, {"gateway": payment.gateway}, source_type="payment", source_id=payment.id)
