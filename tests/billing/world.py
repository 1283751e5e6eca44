"""A customer's money over months, in one process: orders, usage, payments, invoices, and what breaks off.

Each step is the capability that the API or a task calls, in a transaction of its own, at a moment that the
test dictates. Any of them can be cut off before it commits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.dunning import running as dunning
from backend.billing.invoices import monthly
from backend.billing.ledger import adjusting
from backend.billing.metering import events, rating
from backend.billing.metering.dao import MeterDAO
from backend.billing.metering.models import PLAN, UsageKind
from backend.billing.payments import by_hand, disputing, refunding, settling
from backend.billing.payments.dao import PaymentDAO, RefundDAO
from backend.billing.payments.gateways.base import DisputeFacts, PaymentFacts, RefundFacts
from backend.billing.payments.models import DisputeState, Payment, PaymentState, RefundState
from backend.billing.prices import coupon_editing, offers, purchase
from backend.billing.prices.schemas import CouponIn
from backend.config import Settings
from backend.database import Database
from backend.exceptions import Conflict, GavanError
from backend.projects.dao import ProjectDAO
from backend.services.models import Deployment, Desired, Service, ServiceStatus
from backend.users.registration import register
from tests.billing.meters import at

T = TypeVar("T")
Work = Callable[[AsyncSession], Awaitable[T]]


class Killed(BaseException):
    """As kill -9: nobody tidies up."""


@dataclass
class Fragile:
    """A database whose process dies before its n-th transaction commits."""

    database: Database
    left: int

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        async with self.database.transaction() as session:
            yield session
            self.left -= 1
            if self.left <= 0:
                raise Killed


@dataclass
class Vessel:
    """A service, as far as money knows of it."""

    id: UUID
    plan: str
    live: bool = False
    running: bool = False
    suspended: bool = False
    gone: bool = False


@dataclass
class World:
    database: Database
    settings: Settings
    project_id: UUID
    user_id: UUID
    clock: datetime = field(default_factory=lambda: at("2026-01-20 10:00"))
    vessels: list[Vessel] = field(default_factory=list)
    payments: list[UUID] = field(default_factory=list)
    refunds: list[tuple[UUID, UUID]] = field(default_factory=list)
    """Payment and refund."""
    breaks: bool = False
    """Whether each step is cut off once before it is done."""

    @classmethod
    async def begun(cls, database: Database, settings: Settings) -> World:
        async with database.transaction() as session:
            user = await register(
                session, email=f"{uuid4().hex}@example.com", password_hash="x", name="Ada", verified=True
            )
            project = (await ProjectDAO(session).of(user.id))[0]
        return cls(database, settings, project.id, user.id)

    @staticmethod
    async def prepared(database: Database, statement: str) -> None:
        async with database.transaction() as session:
            await session.execute(text(statement))

    # Steps --------------------------------------------------------------------------------------

    async def do(self, work: Work[T]) -> T | None:
        """None if it was refused; then, as after a crash, nothing is left of it."""
        if self.breaks:
            with suppress(GavanError, Killed):
                async with Fragile(self.database, 1).transaction() as session:
                    await work(session)
        try:
            async with self.database.transaction() as session:
                return await work(session)
        except GavanError:
            return None

    async def order(self, plan: str, coupon: str | None = None) -> Vessel | None:
        vessel = Vessel(uuid4(), plan)

        async def work(session: AsyncSession) -> Vessel:
            offer = await offers.for_order(session, self.project_id, self.user_id, plan, coupon, lock=True)
            service = Service(
                id=vessel.id,
                project_id=self.project_id,
                name=f"v-{vessel.id.hex[:12]}",
                template_id="git-app",
                plan_id=plan,
                repo_url="https://git.example.com/me/hello.git",
                health_path="/",
                desired=Desired.RUNNING,
                status=ServiceStatus.PENDING,
            )
            session.add(service)
            await session.flush()
            await purchase.place(session, service, self.user_id, offer)
            return vessel

        if await self.do(work) is None:
            return None
        self.vessels.append(vessel)
        return vessel

    async def launch(self, vessel: Vessel, plan: str) -> None:
        """A release of that plan is live; whether the project can pay for it is asked when it is accepted."""

        async def work(session: AsyncSession) -> bool:
            service = await self._locked(session, vessel, to_run=True)
            await purchase.secure(session, service, plan)
            service.plan_id = plan
            await purchase.went_live(session, service, plan, self.clock)
            if service.live_deployment_id is None:
                service.live_deployment_id = await self._deployment(session, service)
            service.desired, service.status = Desired.RUNNING, ServiceStatus.RUNNING
            await purchase.settle(session, service)
            await session.flush()
            await events.follow(session, service, at=self.clock)
            return True

        if await self.do(work):
            vessel.plan, vessel.live, vessel.running = plan, True, True

    async def fail(self, vessel: Vessel) -> None:
        async def work(session: AsyncSession) -> None:
            await purchase.settle(session, await self._locked(session, vessel))

        await self.do(work)

    async def run_or_stop(self, vessel: Vessel, *, running: bool) -> None:
        async def work(session: AsyncSession) -> bool:
            service = await self._locked(session, vessel, to_run=running)
            service.desired = Desired.RUNNING if running else Desired.STOPPED
            service.status = ServiceStatus.RUNNING if running else ServiceStatus.STOPPED
            await session.flush()
            await events.follow(session, service, at=self.clock)
            return True

        if await self.do(work):
            vessel.running = running

    async def hear_late_of_a_stop(self, vessel: Vessel, hours: int) -> None:
        async def work(session: AsyncSession) -> None:
            await self._locked(session, vessel)
            meter = await MeterDAO(session).of(vessel.id, PLAN)
            assert meter
            await events.write(session, meter, UsageKind.STOPPED, None, self.clock - timedelta(hours=hours))

        await self.do(work)

    async def delete(self, vessel: Vessel) -> None:
        async def work(session: AsyncSession) -> None:
            service = await self._locked(session, vessel)
            await purchase.ended(session, service)
            service.deleted_at, service.live_deployment_id = self.clock, None
            await session.flush()
            await events.follow(session, service, at=self.clock)

        await self.do(work)
        vessel.gone, vessel.running = True, False

    async def pay(self, amount: int, *, by_a_person: bool) -> None:
        async def received(session: AsyncSession) -> UUID:
            payment = await by_hand.receive(
                *(session, self.settings, self.user_id),
                project_id=self.project_id,
                amount=amount,
                currency="EUR",
                reason="Cash",
            )
            return payment.id

        async def begun(session: AsyncSession) -> UUID:
            payment = Payment(
                id=uuid4(),
                project_id=self.project_id,
                user_id=self.user_id,
                gateway="stripe",
                currency="EUR",
                amount=amount,
                state=PaymentState.ACCEPTED,
            )
            await PaymentDAO(session).add(payment)
            return payment.id

        payment_id = await self.do(received if by_a_person else begun)
        if payment_id is not None:
            self.payments.append(payment_id)

    async def hear_of_payment(self, payment_id: UUID, state: PaymentState) -> None:
        async def work(session: AsyncSession) -> None:
            payment = await PaymentDAO(session).get_locked(payment_id)
            assert payment
            if payment.gateway == "stripe":
                ref = f"pi_{payment_id.hex}"
                facts = PaymentFacts(ref, state, "EUR", payment.amount, payment_id, charge_ref=f"ch_{ref}")
                await settling.apply(session, payment, facts)

        await self.do(work)

    async def refund(self, payment_id: UUID, amount: int | None) -> None:
        async def work(session: AsyncSession) -> UUID:
            refund, _ = await refunding.ask(session, payment_id, self.user_id, amount, "Asked for")
            return refund.id

        refund_id = await self.do(work)
        if refund_id is not None:
            self.refunds.append((payment_id, refund_id))

    async def hear_of_refund(self, payment_id: UUID, refund_id: UUID, state: RefundState) -> None:
        async def work(session: AsyncSession) -> None:
            payment = await PaymentDAO(session).get_locked(payment_id)
            refund = await RefundDAO(session).get_locked(refund_id)
            assert payment
            assert refund
            if payment.gateway == "stripe":
                facts = RefundFacts(
                    f"re_{refund_id.hex}", refund_id, payment.charge_ref or "", refund.amount, state
                )
                await refunding.apply_all(session, payment, [facts])

        await self.do(work)

    async def hear_of_dispute(self, payment_id: UUID, state: DisputeState) -> None:
        async def work(session: AsyncSession) -> None:
            payment = await PaymentDAO(session).get_locked(payment_id)
            assert payment
            if payment.gateway == "stripe" and payment.state == PaymentState.SUCCEEDED:
                facts = DisputeFacts(
                    f"dp_{payment_id.hex}", payment.charge_ref or "", payment.amount, state, "fraudulent"
                )
                await disputing.apply(session, payment, facts)

        await self.do(work)

    async def adjust(self, amount: int) -> None:
        async def work(session: AsyncSession) -> None:
            await adjusting.propose(*(session, self.user_id, self.project_id, "EUR", amount, "Goodwill"))

        await self.do(work)

    async def coupon(self, percent: int, months: int | None) -> str:
        code = f"C{uuid4().hex[:12].upper()}"
        wanted = CouponIn(code=code, kind="percent", percent=percent, months=months)

        async def work(session: AsyncSession) -> str:
            return (await coupon_editing.create(session, wanted)).code

        return await self.do(work) or code

    # Periodic -----------------------------------------------------------------------------------

    async def bill(self, moment: datetime | None = None, *, killed_after: int = 0) -> None:
        moment = moment or self.clock
        if killed_after:
            fragile = cast(Database, Fragile(self.database, killed_after))
            with suppress(Killed):
                await rating.run(self.settings, fragile, at=moment, silence=timedelta())
        await rating.run(self.settings, self.database, at=moment, silence=timedelta())

    async def invoice(self, *, killed_after: int = 0) -> None:
        if killed_after:
            with suppress(Killed):
                fragile = cast(Database, Fragile(self.database, killed_after))
                await monthly.run(self.settings, fragile, at=self.clock)
            # Its worker is dead, and two minutes of silence have shown it.
            await self.prepared(
                self.database,
                "UPDATE billing_runs SET state = 'failed', finished_at = now() WHERE state = 'running'",
            )
        await monthly.run(self.settings, self.database, at=self.clock)

    async def dun(self, *, killed: bool = False) -> None:
        """The look at this project, and what the jobs do that it accepted."""
        if killed:
            with suppress(Killed):
                fragile = cast(Database, Fragile(self.database, 2))
                await dunning.look_at(self.settings, fragile, self.project_id, self.clock)
        await dunning.look_at(self.settings, self.database, self.project_id, self.clock)
        await self.obey()

    async def obey(self) -> None:
        """As workers do, some time after."""
        for vessel in self.vessels:
            if not vessel.gone and await self.do(partial(self._obeyed, vessel)):
                await self.delete(vessel)

    async def _obeyed(self, vessel: Vessel, session: AsyncSession) -> bool:
        """Whether all that is left is to delete it."""
        service = await self._locked(session, vessel)
        if service.status == ServiceStatus.DELETING:
            return True
        vessel.suspended = service.suspended_at is not None
        if service.live_deployment_id is not None:
            status = ServiceStatus.RUNNING if service.should_run else ServiceStatus.STOPPED
            service.becomes(status)
            await session.flush()
            await events.follow(session, service, at=self.clock)
        vessel.running = service.should_run and vessel.live
        return False

    # Looking ------------------------------------------------------------------------------------

    async def rows(self, statement: str) -> list[Any]:
        async with self.database.transaction() as session:
            values = {"project": self.project_id}
            return list((await session.execute(text(statement), values)).all())

    async def _locked(self, session: AsyncSession, vessel: Vessel, *, to_run: bool = False) -> Service:
        service = await session.get(Service, vessel.id, with_for_update=True)
        assert service
        if to_run and (service.suspended_at or service.status == ServiceStatus.DELETING):
            raise Conflict("It stands still.", code="suspended")
        return service

    async def _deployment(self, session: AsyncSession, service: Service) -> UUID:
        deployment_id = uuid4()
        session.add(
            Deployment(
                id=deployment_id,
                service_id=service.id,
                number=1,
                trigger="order",
                state="live",
                repo_url=service.repo_url,
                health_path="/",
                plan_id=service.plan_id,
                build_id=deployment_id,
            )
        )
        await session.flush()
        return deployment_id
