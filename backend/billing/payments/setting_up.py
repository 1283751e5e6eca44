"""The work behind `payment.setup`: a method is saved on the gateway's own page."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.invoices.parties import buyer_of
from backend.billing.ledger import standing
from backend.billing.payments import methods
from backend.billing.payments.collecting import AWAY
from backend.billing.payments.dao import SetupDAO
from backend.billing.payments.desk import Desk
from backend.billing.payments.gateways.base import GatewayError, GatewayRefused, SetupFacts, SetupOrder
from backend.billing.payments.models import MethodSetup, PaymentState
from backend.jobs.dao import JobDAO
from backend.jobs.runner import Claimed, JobError

REFUSED = "The payment provider refused."


class SettingUp:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def work(self, job: Claimed) -> None:
        async with self._desk.database.transaction() as session:
            setup = await SetupDAO(session).of_job(job.id)
        if setup is None or not PaymentState(setup.state).open or setup.gateway_ref is not None:
            return
        await job.progress("collecting", 30)
        try:
            facts = await self._begin(setup)
        except GatewayRefused as refused:
            raise JobError(refused.code, REFUSED) from None
        except GatewayError:
            raise JobError("gateway_unavailable", AWAY, retry=True) from None
        await _apply(self._desk, setup.id, facts)

    async def fail(self, job: Claimed, error: JobError) -> bool:
        async with job.transaction() as session:
            dao = SetupDAO(session)
            found = await dao.of_job(job.id)
            setup = await dao.get_locked(found.id) if found else None
            if setup is not None and PaymentState(setup.state).open:
                setup.state, setup.failure_code = PaymentState.FAILED, error.code
                await dao.flush()
        return True

    async def _begin(self, setup: MethodSetup) -> SetupFacts:
        desk = self._desk
        async with desk.database.transaction() as session:
            buyer = await buyer_of(session, setup.project_id)
            currency = await standing.currency_of(session, setup.project_id)
        email = buyer.recipient.email if buyer.recipient else None
        customer = await desk.customer(setup.project_id, setup.gateway, email)
        assert customer is not None
        order = SetupOrder(
            setup_id=setup.id,
            project_id=setup.project_id,
            customer=customer,
            currency=currency,
            locale=buyer.locale,
            return_url=desk.return_url(setup.project_id, setup=setup.id),
        )
        return await desk.gateways.named(setup.gateway).begin_setup(order)


async def look_again(desk: Desk, setup_id: UUID) -> None:
    """Raises `GatewayError`."""
    async with desk.database.transaction() as session:
        setup = await SetupDAO(session).get(setup_id)
        busy = setup is not None and await JobDAO(session).is_open(setup.job_id)
    if setup is None or busy or not PaymentState(setup.state).open or setup.gateway_ref is None:
        return
    facts = await desk.gateways.named(setup.gateway).look_setup(setup.gateway_ref)
    await _apply(desk, setup.id, facts)


async def _apply(desk: Desk, setup_id: UUID, facts: SetupFacts) -> None:
    async with desk.transaction() as session:
        setup = await SetupDAO(session).get_locked(setup_id)
        assert setup is not None
        await settle(session, setup, facts)


async def settle(session: AsyncSession, setup: MethodSetup, facts: SetupFacts) -> None:
    """The set-up's row is locked."""
    if facts.setup_id != setup.id or not PaymentState(setup.state).open:
        return
    setup.gateway_ref = setup.gateway_ref or facts.ref
    setup.state, setup.failure_code, setup.action_url = facts.state, facts.failure_code, facts.action_url
    if facts.state is PaymentState.SUCCEEDED and facts.method is not None:
        kept = await methods.keep(session, setup.project_id, setup.gateway, facts.method)
        setup.method_id = kept.id
    if not facts.state.open:
        setup.next_check_at = None
    await SetupDAO(session).flush()
