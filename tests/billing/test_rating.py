"""From records to charges: to the minor unit, once, whatever cuts the work off, and into the ledger."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from backend.billing.ledger.models import LedgerTransaction
from backend.billing.metering import posting
from backend.billing.metering.models import UsageKind
from backend.billing.prices.models import OrderHold
from backend.billing.runs.models import BillingRun
from backend.billing.runs.progress import SomeFailed
from backend.config import Settings, use
from backend.database import Database
from backend.services.models import Service
from tests.billing.meters import MONTH, Fleet, Ship, at
from tests.billing.purse import Purse
from tests.support.people import UserFactory

PERIOD = 28 * 86_400


async def test_a_month_costs_its_price_however_long_it_is(fleet: Fleet) -> None:
    ship = await fleet.ship(await fleet.price(1999))
    await ship.start("2026-01-01")
    await fleet.bill("2027-01-01")
    months: dict[int, int] = defaultdict(int)
    for day, cost in (await ship.days()).items():
        months[day.month] += cost
    assert months == dict.fromkeys(range(1, 13), 1999)


async def test_the_day_after_the_cap_is_free(fleet: Fleet) -> None:
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    for day in range(2, 32):
        await fleet.bill(f"2026-03-{day:02d} 12:00")
    days = await ship.days()
    assert days[date(2026, 3, 28)] == 100
    assert days[date(2026, 3, 29)] == days[date(2026, 3, 30)] == 0


async def test_a_change_of_plan_is_capped_by_the_dearest(fleet: Fleet) -> None:
    """Whatever the order, a month costs no more than the dearest plan of it."""
    dearer = await fleet.price(2 * MONTH)
    ship = await fleet.ship()
    await ship.start("2026-01-01")
    await ship.resize("2026-01-30 23:00", dearer)
    await fleet.bill("2026-02-01")
    # 29 days and 23 hours at 100 a day, a day and an hour at 200: no more than 5600.
    assert await ship.cost() == round((29 * 24 + 23) * 100 / 24 + 25 * 200 / 24)


async def test_rounding_never_adds_up(fleet: Fleet) -> None:
    """Billed hour by hour it costs what it costs billed at once."""
    price = await fleet.price(1000)
    ship, other = await fleet.ship(price), await fleet.ship(price)
    await ship.start("2026-03-01")
    await other.start("2026-03-01")
    for hour in range(1, 72):
        await ship.stop(at("2026-03-01") + timedelta(hours=hour, minutes=-1))
        await ship.start(at("2026-03-01") + timedelta(hours=hour, minutes=-1))
        await fleet.bill(at("2026-03-01") + timedelta(hours=hour))
    await fleet.bill("2026-03-04")
    assert await ship.days() == await other.days()
    assert await ship.cost() == round(1000 * 3 / 28)


@pytest.mark.parametrize(("currency", "month"), [("JPY", 500), ("KWD", 1_234_567), ("EUR", 1)])
async def test_currencies_and_tiny_prices(fleet: Fleet, currency: str, month: int) -> None:
    ship = await fleet.ship(await fleet.price(month, currency))
    await ship.start("2026-02-01")
    await fleet.bill("2026-02-15")
    assert await ship.cost() == (month * 2 + 2) // 4
    await fleet.bill("2026-03-01")
    assert await ship.cost() == month
    assert {charge.currency for charge in await ship.charges()} == {currency}


async def test_charges_take_from_hold_then_balance_then_due(
    fleet: Fleet, purse: Purse, database: Database
) -> None:
    ship = await fleet.ship()
    await purse.top_up(400)
    await purse.hold(250)
    async with database.transaction() as session:
        session.add(
            OrderHold(
                service_id=ship.id,
                project_id=fleet.project_id,
                currency="EUR",
                amount_minor=250,
                remaining_minor=250,
                covers_minor=250,
            )
        )
    await ship.start("2026-03-01")
    await fleet.bill("2026-03-03")
    assert await purse.three() == (150, 50, 0)
    await fleet.bill("2026-03-04")
    assert await purse.three() == (100, 0, 0)
    await fleet.bill("2026-03-07")
    assert await purse.three() == (0, 0, -200)


async def test_one_project_in_trouble_keeps_no_other_from_being_charged(
    database: Database, settings: Settings, user_factory: UserFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects = sorted([(await user_factory()).project_id for _ in range(3)])
    for project_id in projects:
        ship = await Fleet(database, settings, project_id).ship()
        await ship.start("2026-03-01")
    honest = posting.post

    async def stumbling(session: Any, project_id: UUID, *more: Any) -> int:
        if project_id == projects[0]:
            raise ValueError("a charge that nobody foresaw")
        return await honest(session, project_id, *more)

    monkeypatch.setattr(posting, "post", stumbling)
    fleet = Fleet(database, settings, projects[0])
    with pytest.raises(SomeFailed, match="1 projects"):
        await fleet.bill("2026-03-04")
    assert [await Purse(database, one).three() for one in projects] == [(0, 0, 0), *[(0, 0, -300)] * 2]
    async with database.transaction() as session:
        (run,) = await session.scalars(select(BillingRun).where(BillingRun.kind == "rating"))
    assert (run.state, run.counts["failed"]) == ("failed", 1)
    monkeypatch.undo()
    await fleet.bill("2026-03-04")
    assert await Purse(database, projects[0]).three() == (0, 0, -300)


async def test_only_days_that_are_over_are_posted(fleet: Fleet, purse: Purse) -> None:
    await purse.top_up(1000)
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await fleet.bill("2026-03-02 12:00")
    assert (await purse.standing()).balance == 900
    assert [charge.posted_at is not None for charge in await ship.charges()] == [True, False]
    await ship.stop("2026-03-02 13:00")
    await fleet.bill("2026-03-02 13:05")
    assert (await purse.standing()).balance == 900 - round(100 * 13 / 24)
    assert all(charge.posted_at for charge in await ship.charges())


async def test_a_late_event_gives_back_what_was_posted(fleet: Fleet, purse: Purse) -> None:
    await purse.top_up(1000)
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await fleet.bill("2026-03-05")
    assert (await purse.standing()).balance == 600
    await ship.late("2026-03-02", UsageKind.STOPPED, None)
    await fleet.bill("2026-03-05")
    assert (await purse.standing()).balance == 900
    assert await purse.operator("revenue") == 100


@pytest.mark.parametrize("inclusive", [False, True])
async def test_tax_is_rounded_as_one_sum(fleet: Fleet, purse: Purse, inclusive: bool) -> None:
    taxed = {"operator_country": "DE", "prices_include_tax": inclusive}
    fleet.settings = use(fleet.settings.model_copy(update=taxed))
    await purse.top_up(10_000)
    ship = await fleet.ship(await fleet.price(999))
    await ship.start("2026-02-01")
    for day in range(2, 29):
        await fleet.bill(f"2026-02-{day:02d}")
    await fleet.bill("2026-03-01")
    net, tax = (839, 160) if inclusive else (999, 190)
    assert await purse.operator("tax") == tax
    assert await purse.operator("revenue") == net
    assert (await purse.standing()).balance == 10_000 - net - tax


async def test_a_charge_says_what_it_is_for(fleet: Fleet, database: Database) -> None:
    ship = await fleet.ship(name="lighthouse")
    await ship.start("2026-03-01")
    await fleet.bill("2026-03-02")
    (charge,) = await ship.charges()
    async with database.transaction() as session:
        posted = await session.scalar(
            select(LedgerTransaction).where(LedgerTransaction.id == charge.transaction_id)
        )
    assert posted
    assert (posted.service_id, posted.source_type, posted.source_id) == (ship.id, "usage_charge", charge.id)
    assert posted.parameters["service"] == "lighthouse"
    assert posted.parameters["day"] == "2026-03-01"
    assert posted.parameters["seconds"] == 86_400


KINDS = (None, 0, 1, 2)
STEP = st.tuples(st.integers(0, 4000), st.sampled_from(KINDS), st.booleans())
"""Half-hours since the beginning; which price, or none; and whether the run comes before it is heard of."""
BEGIN = datetime(2026, 1, 15, tzinfo=UTC)
END = BEGIN + timedelta(hours=2100)


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, max_size=8), runs=st.lists(st.integers(0, 2100), max_size=4))
async def test_any_life_in_any_order_costs_what_it_should(
    fleet: Fleet, database: Database, steps: list[tuple[int, int | None, bool]], runs: list[int]
) -> None:
    """Events that come in any order, runs in between: the charges are those of the life as it was."""
    prices = [await fleet.price(month) for month in (777, 5000, 12_345)]
    ship = await fleet.ship(prices[0])
    await ship.start(BEGIN)
    life: list[tuple[datetime, int, int | None]] = [(BEGIN, 0, 0)]
    waiting = sorted(runs)
    for number, (half_hours, kind, run_first) in enumerate(steps, 1):
        if run_first and waiting:
            await _agree(database, ship, prices, life)
            await fleet.bill(BEGIN + timedelta(hours=waiting.pop(0)))
        moment = BEGIN + timedelta(minutes=30 * half_hours)
        price_id = None if kind is None else prices[kind]
        await ship.late(moment, UsageKind.STOPPED if kind is None else UsageKind.RESIZED, price_id)
        life.append((moment, number, kind))
    await _agree(database, ship, prices, life)
    await fleet.bill(END)
    await fleet.bill(END)
    expected = _expected(life)
    found: dict[date, int] = defaultdict(int)
    for charge in await ship.charges():
        found[charge.day.replace(day=1)] += charge.amount
    assert {month: cost for month, cost in found.items() if cost} == expected
    await verify(database, ship)


async def _agree(
    database: Database, ship: Ship, prices: list[UUID], life: list[tuple[datetime, int, int | None]]
) -> None:
    """The service is as its last event says, or the run would meter it as it is."""
    *_, last = max(life)
    values = {"desired": "stopped"} if last is None else {"desired": "running", "price_id": prices[last]}
    async with database.transaction() as session:
        await session.execute(update(Service).where(Service.id == ship.id).values(values))


def _expected(life: list[tuple[datetime, int, int | None]]) -> dict[date, int]:
    months = (777, 5000, 12_345)
    seconds: dict[tuple[date, int], int] = defaultdict(int)
    for (start, _, kind), (end, *_) in pairwise([*sorted(life), (END, 0, None)]):
        moment = start
        while kind is not None and moment < min(end, END):
            step = min(moment + timedelta(minutes=30), end, END)
            seconds[moment.date().replace(day=1), kind] += int((step - moment).total_seconds())
            moment = step
    found = {}
    for month in {month for month, _ in seconds}:
        used = {months[kind]: n for (which, kind), n in seconds.items() if which == month}
        weight = sum(price * n for price, n in used.items())
        found[month] = min((2 * weight + PERIOD) // (2 * PERIOD), max(used))
    return {month: cost for month, cost in found.items() if cost}


async def verify(database: Database, ship: Ship) -> None:
    """No charge without usage, no usage without charge: each stage sums up to the one before."""
    async with database.transaction() as session:
        asked = {"service": ship.id}
        for statement in (
            "SELECT coalesce(sum(metered_seconds), 0) FROM usage_events WHERE service_id = :service",
            "SELECT coalesce(sum(seconds), 0) FROM usage_records WHERE service_id = :service",
            "SELECT coalesce(sum(seconds), 0) FROM usage_totals WHERE service_id = :service",
            "SELECT coalesce(sum(seconds), 0) FROM usage_charges WHERE service_id = :service",
        ):
            asked.setdefault("seconds", await session.scalar(text(statement), {"service": ship.id}))
            assert await session.scalar(text(statement), {"service": ship.id}) == asked["seconds"], statement
        charged = await session.scalar(
            text("SELECT coalesce(sum(net + tax), 0) FROM usage_charges WHERE service_id = :service"),
            {"service": ship.id},
        )
        posted = await session.scalar(
            text(
                "SELECT coalesce(sum(CASE kind WHEN 'charge' THEN amount ELSE -amount END), 0)"
                " FROM ledger_transactions WHERE service_id = :service AND kind IN ('charge', 'credit')"
            ),
            {"service": ship.id},
        )
        assert charged == posted
