"""The work behind `payment.refund`: have a gateway send money back, once."""

from __future__ import annotations

from uuid import UUID

from loguru import logger

from backend.billing.invoices.parties import buyer_of
from backend.billing.payments import refunding
from backend.billing.payments.dao import PaymentDAO, RefundDAO
from backend.billing.payments.desk import Desk
from backend.billing.payments.gateways.base import (
    OPERATOR,
    GatewayError,
    GatewayRefused,
    RefundFacts,
    RefundOrder,
)
from backend.billing.payments.models import Refund, RefundState
from backend.jobs.dao import JobDAO
from backend.jobs.runner import Claimed, JobError

REFUSED = "The payment provider refused the refund."
AWAY = "The payment provider does not answer."
TRIES = 6
"""After which a refund that the gateway cannot be asked about has failed: some half an hour."""


class Refunding:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def work(self, job: Claimed) -> None:
        async with self._desk.database.transaction() as session:
            refund = await RefundDAO(session).of_job(job.id)
        if refund is None or refund.state != RefundState.PENDING:
            return
        await job.progress("refunding", 30)
        try:
            state, code = await self.send(refund)
        except GatewayRefused as refused:
            raise JobError(refused.code, REFUSED) from None
        except GatewayError:
            raise JobError("gateway_unavailable", AWAY, retry=True) from None
        if state is RefundState.FAILED:
            raise JobError(code or "refused", REFUSED)

    async def send(self, refund: Refund) -> tuple[RefundState, str | None]:
        """Gateways forget keys: their refunds are looked through first. Raises `GatewayError`."""
        order, gateway_name = await self._order(refund)
        gateway = self._desk.gateways.named(gateway_name)
        found = await gateway.refunds_of(order.charge_ref)
        mine = next((one for one in found if one.refund_id == refund.id), None)
        if mine is None:
            try:
                mine = await gateway.refund(order)
            except GatewayRefused as refused:
                if refused.code in OPERATOR:
                    raise
                await self._refused(refund, refused.code)
                # What somebody made there meanwhile is why, and had no room until now.
                await apply(self._desk, refund.payment_id, await gateway.refunds_of(order.charge_ref))
                return RefundState.FAILED, refused.code
            found = [*found, mine]
        await apply(self._desk, refund.payment_id, found)
        return mine.state, mine.failure_code

    async def fail(self, job: Claimed, error: JobError) -> bool:
        """Whether it went is asked by the poll until it is known: a job that ends says nothing of that."""
        async with job.transaction() as session:
            refund = await RefundDAO(session).of_job(job.id)
        return refund is None or refund.state != RefundState.SUCCEEDED

    async def _refused(self, refund: Refund, code: str) -> None:
        async with self._desk.transaction() as session:
            payment = await PaymentDAO(session).get_locked(refund.payment_id)
            row = await RefundDAO(session).get_locked(refund.id)
            assert payment is not None
            assert row is not None
            if row.state == RefundState.PENDING:
                await refunding.fail(session, payment, row, code)

    async def _order(self, refund: Refund) -> tuple[RefundOrder, str]:
        async with self._desk.database.transaction() as session:
            payment = await PaymentDAO(session).get(refund.payment_id)
            assert payment is not None
            buyer = await buyer_of(session, payment.project_id)
        if payment.charge_ref is None:
            raise GatewayRefused("payment_unknown")
        order = RefundOrder(
            refund_id=refund.id,
            payment_id=payment.id,
            charge_ref=payment.charge_ref,
            currency=payment.currency,
            amount=refund.amount,
            email=buyer.recipient.email if buyer.recipient else None,
            description=f"Refund {refund.id}",
        )
        return order, payment.gateway


async def apply(desk: Desk, payment_id: UUID, found: list[RefundFacts]) -> None:
    async with desk.transaction() as session:
        payment = await PaymentDAO(session).get_locked(payment_id)
        assert payment is not None
        await refunding.apply_all(session, payment, found)


async def look_again(desk: Desk, refund_id: UUID) -> None:
    """One whose end was not heard of: sent if the gateway does not know it. Raises `GatewayError`."""
    async with desk.database.transaction() as session:
        refund = await RefundDAO(session).get(refund_id)
        busy = refund is not None and await JobDAO(session).is_open(refund.job_id)
    if refund is None or busy or refund.state != RefundState.PENDING:
        return
    try:
        await Refunding(desk).send(refund)
    except GatewayRefused as refused:
        logger.error("refund {} cannot be asked about: {}", refund.id, refused.code)
        # Our settings may be put right; anything else stays as it is, and what was set aside is needed.
        if refused.code not in OPERATOR and refund.checks >= TRIES:
            await _give_up(desk, refund.id, refused.code)


async def _give_up(desk: Desk, refund_id: UUID, code: str) -> None:
    async with desk.transaction() as session:
        found = await RefundDAO(session).get(refund_id)
        assert found is not None
        payment = await PaymentDAO(session).get_locked(found.payment_id)
        refund = await RefundDAO(session).get_locked(refund_id)
        assert payment is not None
        assert refund is not None
        if refund.state == RefundState.PENDING:
            await refunding.fail(session, payment, refund, code)
