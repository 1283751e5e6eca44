"""What a gateway says becomes what we say, in one transaction with the money that follows from it.

Facts may come in any order and any number: by the job that asked, a message, or because we asked again. The
payment's row is locked by the caller, success is final, and the ledger takes each key once.
"""

from __future__ import annotations

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.billing.dunning import resume
from backend.billing.ledger import moves
from backend.billing.ledger.about import About
from backend.billing.payments import auto_results, letters, methods
from backend.billing.payments.dao import PaymentDAO
from backend.billing.payments.gateways.base import PaymentFacts
from backend.billing.payments.models import Payment, PaymentState
from backend.database import now

BY_HAND = frozenset({"bank_transfer", "manual"})
"""Nobody can be asked about these; a person was."""


async def apply(session: AsyncSession, payment: Payment, facts: PaymentFacts) -> None:
    """The payment's row is locked."""
    if facts.payment_id is not None and facts.payment_id != payment.id:
        logger.error("{} says that {} is another payment", payment.gateway, facts.ref)
        return
    payment.charge_ref = payment.charge_ref or facts.charge_ref
    if payment.gateway_ref is None:
        payment.gateway_ref = facts.ref
    state = PaymentState(payment.state)
    if state in (PaymentState.SUCCEEDED, PaymentState.REVIEW):
        await PaymentDAO(session).flush()
        return
    if facts.state is PaymentState.SUCCEEDED:
        await _succeed(session, payment, facts)
    elif state.open:
        payment.state = facts.state
        payment.action_url = facts.action_url
        if not facts.state.open:
            await end(session, payment, facts.state, facts.failure_code)
    await PaymentDAO(session).flush()


async def end(session: AsyncSession, payment: Payment, state: PaymentState, code: str | None) -> None:
    """No money came. Should it come after all, `apply` believes that."""
    payment.state, payment.failure_code = state, code
    payment.action_url = payment.next_check_at = None
    await PaymentDAO(session).flush()
    if payment.automatic:
        await auto_results.failed(session, payment)


async def credit(session: AsyncSession, payment: Payment) -> None:
    """Its money is on the balance, and works at once."""
    payment.state, payment.succeeded_at = PaymentState.SUCCEEDED, now()
    payment.failure_code = payment.action_url = payment.next_check_at = None
    await PaymentDAO(session).flush()
    await resume.before_payment(session, payment.project_id)
    await moves.top_up(
        session,
        payment.project_id,
        payment.currency,
        payment.amount,
        key=f"payment:{payment.id}",
        gateway=payment.gateway,
        about=About(
            "payment",
            "payment",
            {"gateway": payment.gateway, "method": payment.method_words or ""},
            source_type="payment",
            source_id=payment.id,
        ),
    )
    await resume.after_payment(session, payment.project_id)
    if payment.automatic:
        await auto_results.succeeded(session, payment)
    await letters.received(session, payment)


async def _succeed(session: AsyncSession, payment: Payment, facts: PaymentFacts) -> None:
    if (facts.currency, facts.amount) != (payment.currency, payment.amount):
        logger.error("{} took something else for payment {}", payment.gateway, payment.id)
        payment.state, payment.failure_code = PaymentState.REVIEW, "amount_differs"
        payment.taken_amount, payment.taken_currency = facts.amount, facts.currency
        payment.action_url = payment.next_check_at = None
        return
    if facts.method is not None:
        payment.method_words = payment.method_words or methods.words(facts.method)
        if payment.save_method and facts.saved:
            kept = await methods.keep(session, payment.project_id, payment.gateway, facts.method)
            payment.method_id = kept.id
    await credit(session, payment)
    await record(
        session,
        Action.PAYMENT_SUCCEEDED,
        object_type="payment",
        object_id=payment.id,
        object_name=payment.gateway,
        project_id=payment.project_id,
        after={"amount": payment.amount, "currency": payment.currency},
    )
