"""Whatever happens, in whichever order, and wherever it breaks off: the books balance, and nothing is charged
that was not used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as limits
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backend.billing.dunning import resume
from backend.billing.ledger.verification import verify
from backend.billing.payments.models import DisputeState, PaymentState, RefundState
from backend.config import Settings, use
from backend.database import Database
from tests.billing.world import Vessel, World

T = TypeVar("T")
PLANS = ("dinghy", "cutter", "schooner")
AMOUNTS = st.integers(1, 4_000)
# What mostly happens, and everything else that may.
PAYMENTS = st.just(PaymentState.SUCCEEDED) | st.sampled_from(
    sorted(set(PaymentState) - {PaymentState.REVIEW})
)
REFUNDS = st.sampled_from(RefundState)
OFTEN = st.integers(0, 3).map(bool)

BOOKS = {
    "the entries of each currency sum to zero": """
        SELECT currency, sum(entry.amount) FROM ledger_entries entry
        JOIN ledger_accounts account ON account.id = entry.account_id
        GROUP BY currency HAVING sum(entry.amount) <> 0""",
    "no balance is below its limit, which is zero": """
        SELECT * FROM ledger_accounts WHERE kind = 'balance' AND balance < 0""",
    "what is held is what orders and refunds hold": """
        SELECT account.balance, orders.held, refunds.held FROM ledger_accounts account
        CROSS JOIN LATERAL (SELECT coalesce(sum(remaining_minor), 0) AS held FROM order_holds
            WHERE project_id = account.project_id AND released_at IS NULL) orders
        CROSS JOIN LATERAL (SELECT coalesce(sum(refunding), 0) AS held FROM payments
            WHERE project_id = account.project_id) refunds
        WHERE account.kind = 'held' AND account.balance <> orders.held + refunds.held""",
    "nothing is due while there is money": """
        SELECT due.balance, balance.balance FROM ledger_accounts due
        JOIN ledger_accounts balance ON balance.project_id = due.project_id AND balance.kind = 'balance'
        WHERE due.kind = 'due' AND due.balance < 0 AND balance.balance > 0""",
    "every charge of usage is in the ledger, once and as it is": """
        SELECT charge.id FROM usage_charges charge
        LEFT JOIN ledger_transactions posting ON posting.id = charge.transaction_id
            AND posting.source_id = charge.id AND posting.amount = abs(charge.net + charge.tax)
            AND posting.kind = CASE WHEN charge.net + charge.tax > 0 THEN 'charge' ELSE 'credit' END
        WHERE charge.posted_at IS NOT NULL AND charge.net + charge.tax <> 0 AND posting.id IS NULL""",
    "there is no charge without usage": """
        SELECT posting.id FROM ledger_transactions posting
        LEFT JOIN usage_charges charge ON charge.transaction_id = posting.id
        WHERE posting.origin = 'usage' AND charge.id IS NULL
        UNION ALL
        SELECT charge.id FROM usage_charges charge WHERE NOT EXISTS (
            SELECT FROM usage_records record WHERE record.service_id = charge.service_id
                AND record.day = charge.day)""",
    "payments in the ledger are those that succeeded, refunds those that went": """
        SELECT payment.id FROM payments payment CROSS JOIN LATERAL (
            SELECT coalesce(-sum(entry.amount), 0) AS kept FROM ledger_transactions posting
            JOIN ledger_entries entry ON entry.transaction_id = posting.id
            JOIN ledger_accounts account ON account.id = entry.account_id AND account.kind = 'gateway'
            WHERE posting.source_id = payment.id) found
        WHERE found.kept <>
            CASE payment.state WHEN 'succeeded' THEN payment.amount - payment.refunded ELSE 0 END
            - coalesce((SELECT sum(amount) FROM disputes WHERE payment_id = payment.id AND taken), 0)""",
    "an invoice is the sum of its lines, and a line of its postings": """
        SELECT line.id FROM invoice_lines line
        JOIN invoice_charges taken ON taken.line_id = line.id
        JOIN ledger_entries entry ON entry.transaction_id = taken.transaction_id
        JOIN ledger_accounts account ON account.id = entry.account_id AND account.kind IN ('revenue', 'tax')
        GROUP BY line.id HAVING sum(entry.amount) <> line.gross
            OR sum(entry.amount) FILTER (WHERE account.kind = 'revenue') <> line.net
        UNION ALL
        SELECT invoice.id FROM invoices invoice JOIN invoice_lines line ON line.invoice_id = invoice.id
        GROUP BY invoice.id HAVING sum(line.gross) <> invoice.gross OR sum(line.net) <> invoice.net""",
    "invoices have no gaps": """
        SELECT series FROM invoices GROUP BY series HAVING max(number) <> count(*)""",
    "what stands still for want of money is not metered": """
        SELECT meter.service_id FROM usage_meters meter JOIN services service ON service.id = meter.service_id
        WHERE service.suspended_at IS NOT NULL AND meter.price_id IS NOT NULL""",
    "nobody stands still who has paid": """
        SELECT service.id FROM services service
        LEFT JOIN dunning_states state ON state.project_id = service.project_id
        WHERE service.suspended_at IS NOT NULL AND service.deleted_at IS NULL
            AND (state.stage IS NULL OR state.stage NOT IN ('suspended', 'terminated'))""",
    "every coupon counts its uses": """
        SELECT coupon.id FROM coupons coupon LEFT JOIN coupon_redemptions use ON use.coupon_id = coupon.id
            AND use.voided_at IS NULL
        GROUP BY coupon.id HAVING coupon.uses <> count(use.id)""",
}
EVERYTHING = """
    SELECT 'entries', count(*), sum(id) FROM ledger_entries
    UNION ALL SELECT 'records', count(*), sum(seconds) FROM usage_records
    UNION ALL SELECT 'charges', count(*), sum(amount) FROM usage_charges
    UNION ALL SELECT 'invoices', count(*), sum(gross) FROM invoices
    UNION ALL SELECT 'refunds', count(*), sum(amount) FROM refunds ORDER BY 1"""


class Harbour(RuleBasedStateMachine):
    installation: ClassVar[tuple[asyncio.Runner, Database, Settings]]
    present: ClassVar[World]
    """Whose clock it is by."""
    stages: ClassVar[set[str]]
    """That were come to."""

    def __init__(self) -> None:
        super().__init__()
        self.runner, self.database, self.settings = self.installation
        self.world = Harbour.present = self.await_(World.begun(self.database, self.settings))
        self.coupons: list[str] = []

    def await_(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self.runner.run(awaited())

    def vessel(self, data: Any, **is_: bool) -> Vessel | None:
        fitting = [
            one
            for one in self.world.vessels
            if not one.gone and all(getattr(one, name) == value for name, value in is_.items())
        ]
        return data.draw(st.sampled_from(fitting)) if fitting else None

    @initialize(amount=st.integers(500, 9_000))
    def first_money(self, amount: int) -> None:
        self.await_(self.world.pay(amount, by_a_person=True))

    @rule(breaks=st.booleans())
    def weather(self, breaks: bool) -> None:
        self.world.breaks = breaks

    @rule(plan=st.sampled_from(PLANS), data=st.data())
    def order(self, plan: str, data: Any) -> None:
        coupon = data.draw(st.sampled_from([None, *self.coupons]))
        vessel = self.await_(self.world.order(plan, coupon))
        if vessel is not None and data.draw(OFTEN):
            self.await_(self.world.launch(vessel, plan))

    @rule(plan=st.sampled_from(PLANS), data=st.data())
    def deploy(self, plan: str, data: Any) -> None:
        if vessel := self.vessel(data):
            self.await_(self.world.launch(vessel, plan if data.draw(st.booleans()) else vessel.plan))

    @rule(data=st.data())
    def first_deployment_fails(self, data: Any) -> None:
        if vessel := self.vessel(data, live=False):
            self.await_(self.world.fail(vessel))

    @rule(running=st.booleans(), data=st.data())
    def start_or_stop(self, running: bool, data: Any) -> None:
        if vessel := self.vessel(data, live=True, running=not running):
            self.await_(self.world.run_or_stop(vessel, running=running))

    @rule(hours=st.integers(0, 60), data=st.data())
    def hear_late_of_a_stop(self, hours: int, data: Any) -> None:
        if vessel := self.vessel(data, live=True):
            self.await_(self.world.hear_late_of_a_stop(vessel, hours))

    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        if vessel := self.vessel(data):
            self.await_(self.world.delete(vessel))

    @rule(amount=AMOUNTS, by_a_person=st.booleans(), heard=OFTEN)
    def pay(self, amount: int, by_a_person: bool, heard: bool) -> None:
        self.await_(self.world.pay(amount, by_a_person=by_a_person))
        if heard:
            self.await_(self.world.hear_of_payment(self.world.payments[-1], PaymentState.SUCCEEDED))

    @precondition(lambda self: self.world.payments)
    @rule(state=PAYMENTS, times=st.integers(1, 2), data=st.data())
    def hear_of_payment(self, state: PaymentState, times: int, data: Any) -> None:
        payment_id = data.draw(st.sampled_from(self.world.payments))
        for _ in range(times):
            self.await_(self.world.hear_of_payment(payment_id, state))

    @precondition(lambda self: self.world.payments)
    @rule(amount=st.none() | AMOUNTS, data=st.data())
    def refund(self, amount: int | None, data: Any) -> None:
        self.await_(self.world.refund(data.draw(st.sampled_from(self.world.payments)), amount))

    @precondition(lambda self: self.world.refunds)
    @rule(state=REFUNDS, times=st.integers(1, 2), data=st.data())
    def hear_of_refund(self, state: RefundState, times: int, data: Any) -> None:
        payment_id, refund_id = data.draw(st.sampled_from(self.world.refunds))
        for _ in range(times):
            self.await_(self.world.hear_of_refund(payment_id, refund_id, state))

    @precondition(lambda self: self.world.payments)
    @rule(state=st.sampled_from(DisputeState), times=st.integers(1, 2), data=st.data())
    def hear_of_dispute(self, state: DisputeState, times: int, data: Any) -> None:
        payment_id = data.draw(st.sampled_from(self.world.payments))
        for _ in range(times):
            self.await_(self.world.hear_of_dispute(payment_id, state))

    @rule(amount=st.integers(-2_000, 2_000).filter(bool))
    def adjust(self, amount: int) -> None:
        self.await_(self.world.adjust(amount))

    @rule(percent=st.integers(1, 100), months=st.none() | st.integers(1, 3))
    def coupon(self, percent: int, months: int | None) -> None:
        self.coupons.append(self.await_(self.world.coupon(percent, months)))

    @rule(hours=st.integers(1, 30) | st.integers(200, 900), seconds=st.integers(0, 3_599), billed=OFTEN)
    def time_passes(self, hours: int, seconds: int, billed: bool) -> None:
        self.world.clock += timedelta(hours=hours, seconds=seconds)
        if billed:
            self.await_(self.world.bill())

    @rule(back=st.integers(0, 48), killed_after=st.integers(0, 12))
    def bill(self, back: int, killed_after: int) -> None:
        """Also by a clock that went back."""
        self.await_(self.world.bill(self.world.clock - timedelta(hours=back), killed_after=killed_after))

    @rule(days=st.integers(0, 31), killed=st.booleans())
    def dun(self, days: int, killed: bool) -> None:
        self.world.clock += timedelta(days=days)
        self.await_(self.world.bill())
        self.await_(self.world.dun(killed=killed))
        rows = self.await_(self.world.rows("SELECT stage FROM dunning_states WHERE project_id = :project"))
        self.stages.update(row.stage for row in rows)

    @rule()
    def obey(self) -> None:
        self.await_(self.world.obey())

    @rule(killed_after=st.integers(0, 5))
    def invoice(self, killed_after: int) -> None:
        self.await_(self.world.invoice(killed_after=killed_after))

    @invariant()
    def the_books_balance(self) -> None:
        for what, statement in BOOKS.items():
            assert self.await_(self.world.rows(statement)) == [], what

    def teardown(self) -> None:
        self.await_(self._end())
        self.the_books_balance()

    async def _end(self) -> None:
        """All is over and billed: nothing is held, all usage is paid for, and once more changes nothing."""
        world = self.world
        world.breaks = False
        for vessel in world.vessels:
            if not vessel.gone:
                await world.delete(vessel)
        for payment_id, refund_id in world.refunds:
            await world.hear_of_refund(payment_id, refund_id, RefundState.FAILED)
        world.clock += timedelta(days=40)
        await world.bill()
        await world.invoice()
        assert await world.rows(UNPAID) == []
        held = "SELECT balance FROM ledger_accounts WHERE kind = 'held' AND project_id = :project"
        assert {row.balance for row in await world.rows(held)} <= {0}
        before = await world.rows(EVERYTHING)
        await world.bill()
        await world.invoice()
        for payment_id in world.payments:
            await world.hear_of_payment(payment_id, PaymentState.CANCELLED)
        for payment_id, refund_id in world.refunds:
            await world.hear_of_refund(payment_id, refund_id, RefundState.PENDING)
        assert await world.rows(EVERYTHING) == before
        verified = await verify(world.database, whole=True)
        assert verified is not None
        assert verified.wrong == []


UNPAID = """
    SELECT record.service_id, month FROM usage_records record
    CROSS JOIN LATERAL (SELECT date_trunc('month', record.day) AS month) AS of
    JOIN prices price ON price.id = record.price_id AND price.month_minor > 0
    JOIN services service ON service.id = record.service_id AND service.project_id = :project
    GROUP BY record.service_id, month HAVING sum(record.seconds) > 86400 AND NOT EXISTS (
        SELECT FROM usage_charges charge WHERE charge.service_id = record.service_id
            AND date_trunc('month', charge.day) = month AND charge.posted_at IS NOT NULL)
    UNION ALL
    SELECT charge.service_id, charge.day FROM usage_charges charge
    WHERE charge.project_id = :project AND charge.posted_at IS NULL"""
"""Usage of a paid plan, of more than a day in a month, that nothing was charged for; charges not posted."""


@pytest.fixture
def settings(settings_of: Any) -> Settings:
    found: Settings = settings_of(credit_limit_minor=0, operator_country="DE")
    return found


@pytest.fixture
def installation(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    use(settings)
    # Whoever pays is resumed by the clock of this world.
    monkeypatch.setattr(resume, "now", lambda: Harbour.present.clock)
    with asyncio.Runner() as runner:
        database = Database(settings)
        # The catalogue's plans cost nothing to set up.
        runner.run(World.prepared(database, "UPDATE prices SET setup_minor = 450 WHERE plan_id = 'cutter'"))
        Harbour.installation, Harbour.stages = (runner, database, settings), set()
        yield
        runner.run(database.close())


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("installation")
def test_everything_holds() -> None:
    run_state_machine_as_test(
        Harbour,
        settings=limits(
            max_examples=14,
            stateful_step_count=50,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.usefixtures("installation")
def test_from_the_first_warning_to_the_end_and_back() -> None:
    """All the stages, which what is drawn above need not come to."""
    harbour = Harbour()
    harbour.first_money(4_000)
    for plan in PLANS[:2]:
        vessel = harbour.await_(harbour.world.order(plan, None))
        if vessel is not None:
            harbour.await_(harbour.world.launch(vessel, plan))
    assert any(one.live for one in harbour.world.vessels)
    paid = False
    for day in range(200):
        harbour.dun(1, killed=day % 3 == 0)
        if day % 7 == 0:
            harbour.the_books_balance()
        if "terminated" in Harbour.stages:
            break
        if "suspended" in Harbour.stages and not paid:
            # It runs on for a while.
            paid = True
            harbour.pay(1_000, by_a_person=True, heard=True)
            harbour.obey()
            harbour.the_books_balance()
    harbour.the_books_balance()
    assert {"grace", "suspended", "terminated"} <= Harbour.stages
    harbour.teardown()
