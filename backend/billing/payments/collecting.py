"""The work behind `payment.collect`: have a gateway take what was accepted.

It may be cut off anywhere. The id of a payment is its key at the gateway; what the gateway knew before is
looked for; and money moves here only after the gateway has been asked what became of it.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from loguru import logger

from backend.billing.payments import settling
from backend.billing.payments.dao import PaymentDAO
from backend.billing.payments.desk import Desk
from backend.billing.payments.gateways.base import (
    OPERATOR,
    Gateway,
    GatewayError,
    GatewayRefused,
    Order,
    PaymentFacts,
)
from backend.billing.payments.models import Payment, PaymentState
from backend.database import now
from backend.jobs.dao import JobDAO
from backend.jobs.runner import Claimed, JobError

DECLINED = "The payment was declined."
AWAY = "The payment provider does not answer."
_UNKNOWN = OPERATOR | {"gateway_unavailable", "internal_error"}
"""Why a job ends without the gateway having refused anything."""


class Collecting:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def work(self, job: Claimed) -> None:
        """The job is done once the gateway has the payment; what the customer does about it may take days."""
        async with self._desk.database.transaction() as session:
            payment = await PaymentDAO(session).of_job(job.id)
        if payment is None or not PaymentState(payment.state).open:
            return
        try:
            await self.take(payment, job)
        except GatewayRefused as refused:
            raise JobError(refused.code, DECLINED) from None
        except GatewayError:
            raise JobError("gateway_unavailable", AWAY, retry=True) from None

    async def take(self, payment: Payment, job: Claimed | None = None) -> None:
        """Raises `GatewayError`, and `JobError` if the payment failed."""
        order = await self._desk.order(payment.id)
        gateway = self._desk.gateway_of(payment)
        facts = await self._begun(gateway, payment, order)
        if facts.unconfirmed:
            # Its name first: once it is confirmed, there must be no doubt which one it was.
            await self._apply(payment.id, facts, job)
            facts = await gateway.confirm(order, facts.ref)
        if order.automatic and facts.state is PaymentState.REQUIRES_ACTION:
            # There is nobody who could.
            facts = await gateway.cancel(facts.ref)
            if facts.state is not PaymentState.SUCCEEDED:
                facts = replace(
                    facts, state=PaymentState.FAILED, failure_code="authentication_required", action_url=None
                )
        await self._apply(payment.id, facts, job)
        if facts.state in (PaymentState.FAILED, PaymentState.CANCELLED):
            raise JobError(facts.failure_code or "declined", DECLINED)

    async def fail(self, job: Claimed, error: JobError) -> bool:
        """Whether the gateway has it after all may not be known: then it is asked until it says so."""
        async with job.transaction() as session:
            found = await PaymentDAO(session).of_job(job.id)
            payment = await PaymentDAO(session).get_locked(found.id) if found else None
            if payment is None:
                return True
            if payment.state == PaymentState.SUCCEEDED:
                return False
            unknown = error.code in _UNKNOWN and payment.begun_at is not None
            if PaymentState(payment.state).open and not unknown:
                await settling.end(session, payment, PaymentState.FAILED, error.code)
        return True

    async def _begun(self, gateway: Gateway, payment: Payment, order: Order) -> PaymentFacts:
        if payment.gateway_ref is not None:
            return await gateway.look(payment.gateway_ref)
        if order.begun_at is not None and (found := await gateway.find(order)) is not None:
            return found
        return await gateway.begin(order)

    async def _apply(self, payment_id: UUID, facts: PaymentFacts, job: Claimed | None) -> None:
        if job is not None:
            # Only to learn whether it is still ours.
            await job.progress("collecting", 50)
        async with self._desk.transaction() as session:
            payment = await PaymentDAO(session).get_locked(payment_id)
            assert payment is not None
            await settling.apply(session, payment, facts)


async def look_again(desk: Desk, payment_id: UUID) -> None:
    """What became of a payment of which nothing was heard. Raises `GatewayError`."""
    async with desk.database.transaction() as session:
        payment = await PaymentDAO(session).get(payment_id)
        busy = payment is not None and await JobDAO(session).is_open(payment.job_id)
    # The job may be between two steps, and finds out itself.
    if payment is None or busy or not PaymentState(payment.state).open:
        return
    gateway = desk.gateway_of(payment)
    facts = await _standing_there(desk, gateway, payment)
    async with desk.transaction() as session:
        locked = await PaymentDAO(session).get_locked(payment_id)
        assert locked is not None
        if facts is not None:
            await settling.apply(session, locked, facts)
        elif PaymentState(locked.state).open and locked.gateway_ref is None:
            logger.warning("{} does not know payment {}", payment.gateway, payment.id)
            await settling.end(session, locked, PaymentState.FAILED, "gateway_unavailable")


async def _standing_there(desk: Desk, gateway: Gateway, payment: Payment) -> PaymentFacts | None:
    expired = payment.pay_until is not None and payment.pay_until < now()
    if payment.gateway_ref is None:
        return await gateway.find(await desk.order(payment.id))
    facts = await gateway.look(payment.gateway_ref)
    # One that was never confirmed will not be confirmed long after its customer has left.
    return await gateway.cancel(payment.gateway_ref) if facts.unconfirmed or expired else facts
