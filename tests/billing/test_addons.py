"""Quantities: units and add-ons, from what a service has to charges, at their own prices."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from backend.billing.metering import forecast
from backend.billing.metering.models import PLAN, UNITS, UsageEvent, UsageKind, UsageMeter
from backend.billing.prices import editing, purchase
from backend.billing.prices.models import Price
from backend.config import use
from backend.database import Database, now
from backend.exceptions import Conflict
from backend.services.models import Service, ServiceProcess
from backend.volumes.models import Volume
from tests.billing.meters import MONTH, Fleet, Ship, at
from tests.billing.purse import Purse
from tests.billing.shop import Shop
from tests.billing.test_rating import PERIOD, verify
from tests.support.people import Person

GIB = 2**30


async def price_of(database: Database, addon: str, month: int) -> UUID:
    """Instead of what the catalogue file says: a price that was there always."""
    async with database.transaction() as session:
        of_file = (Price.addon_id == addon, Price.source == "catalogue")
        await session.execute(delete(Price).where(*of_file))
        always = datetime(2000, 1, 1, tzinfo=UTC)
        price = Price(
            id=uuid4(),
            addon_id=addon,
            currency="EUR",
            month_minor=month,
            valid_from=always,
            existing="keep",
            source="admin",
        )
        session.add(price)
    return price.id


async def meters_of(ship: Ship) -> dict[str, tuple[UUID | None, int]]:
    async with ship.fleet.database.transaction() as session:
        rows = await session.scalars(select(UsageMeter).where(UsageMeter.service_id == ship.id))
        return {row.meter: (row.price_id, row.quantity) for row in rows}


async def test_each_unit_costs_a_plan(fleet: Fleet) -> None:
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await ship.has("2026-03-02", units=3)
    await ship.has("2026-03-03")
    await fleet.bill("2026-03-04")
    assert await ship.days() == {date(2026, 3, 1): 100, date(2026, 3, 2): 300, date(2026, 3, 3): 100}
    assert (await ship.cost(PLAN), await ship.cost(UNITS)) == (300, 200)


async def test_a_volume_costs_by_the_gib_while_it_is_kept(fleet: Fleet, database: Database) -> None:
    """Also while its service stands still, but not while that is suspended."""
    await price_of(database, "volume", 28)
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await ship.has("2026-03-02", volume=10)
    await ship.stop("2026-03-04")
    await ship.becomes("2026-03-05", suspended_at=at("2026-03-05"))
    await ship.becomes("2026-03-06", suspended_at=None)
    await ship.has("2026-03-07", volume=0)
    await fleet.bill("2026-03-09")
    found: dict[date, int] = defaultdict(int)
    for charge in await ship.charges():
        if charge.meter == "volume":
            assert (charge.quantity, charge.seconds) == (10, 86_400)
            found[charge.day] += charge.amount
    assert found == {date(2026, 3, day): 10 for day in (2, 3, 4, 6)}


async def test_each_volume_is_rounded_up_for_itself(fleet: Fleet, database: Database) -> None:
    await price_of(database, "volume", 28)
    ship = await fleet.ship()
    async with database.transaction() as session:
        for name, size in (("a", 1), ("b", GIB + 1), ("c", 2 * GIB)):
            about = {"project_id": fleet.project_id, "service_id": ship.id, "size_bytes": size}
            session.add(Volume(name=name, path=f"/{name}", **about))
    await ship.start("2026-03-01")
    assert (await meters_of(ship))["volume"][1] == 1 + 2 + 2


async def test_the_largest_month_is_the_cap(fleet: Fleet, database: Database) -> None:
    """31 days of 10 GiB are a month of them; an hour of 20 lets the cap rise, not the price of the rest."""
    await price_of(database, "volume", 2800)
    ship, other = await fleet.ship(), await fleet.ship()
    for one in (ship, other):
        await one.start("2026-03-01")
        await one.has("2026-03-01", volume=10)
    await other.has("2026-03-05", volume=20)
    await other.has("2026-03-05 01:00", volume=10)
    await fleet.bill("2026-04-01")
    assert await ship.cost("volume") == 28_000
    assert await other.cost("volume") == round(31 * 1000 + 1000 / 24)


async def test_who_has_an_addon_keeps_its_price_or_moves(fleet: Fleet, database: Database) -> None:
    first = await price_of(database, "volume", 28)
    ship, later = await fleet.ship(), await fleet.ship()
    await ship.start("2026-03-01")
    await ship.has("2026-03-01", volume=1)
    async with database.transaction() as session:
        wanted = editing.Version("volume", "EUR", 280, 0, now(), addon=True)
        second = (await editing.add_version(session, wanted)).id
    await later.start("2026-03-02")
    await later.has("2026-03-02", volume=1)
    await ship.becomes("2026-03-02", suspended_at=at("2026-03-02"))
    await ship.becomes("2026-03-03", suspended_at=None)
    await ship.has("2026-03-03", volume=5)
    assert (await meters_of(ship))["volume"] == (first, 5)
    assert (await meters_of(later))["volume"] == (second, 1)
    # Given up and taken again, it is bought anew.
    await ship.has("2026-03-04", volume=0)
    await ship.has("2026-03-05", volume=5)
    assert (await meters_of(ship))["volume"] == (second, 5)
    async with database.transaction() as session:
        wanted = editing.Version("volume", "EUR", 56, 0, now(), "move", now(), addon=True)
        third = (await editing.add_version(session, wanted)).id
    await fleet.bill(now() + timedelta(minutes=1))
    assert (await meters_of(ship))["volume"] == (third, 5)
    assert (await meters_of(later))["volume"] == (third, 1)
    async with database.transaction() as session:
        event = await session.scalar(
            select(UsageEvent).where(UsageEvent.service_id == later.id, UsageEvent.price_id == third)
        )
        assert event is not None
        assert event.kind == UsageKind.REPRICED


async def test_what_nobody_told_of_is_found(fleet: Fleet, database: Database) -> None:
    """Quantities that changed without a word, and an installation that charges no more."""
    await price_of(database, "volume", 28)
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    async with database.transaction() as session:
        session.add(ServiceProcess(service_id=ship.id, name="worker", replicas=2))
        about = {"project_id": fleet.project_id, "service_id": ship.id, "size_bytes": GIB}
        session.add(Volume(name="data", path="/data", **about))
    await fleet.bill("2026-03-02")
    assert {meter: quantity for meter, (_, quantity) in (await meters_of(ship)).items()} == {
        PLAN: 1,
        UNITS: 2,
        "volume": 1,
    }
    use(fleet.settings.model_copy(update={"billing_enabled": False}))
    await fleet.bill("2026-03-03")
    assert {price for price, _ in (await meters_of(ship)).values()} == {None}


async def test_forecast_counts_all_of_it_and_does_not_dip(fleet: Fleet, database: Database) -> None:
    """What is spent this month never becomes less by stopping, and the bill says the same."""
    await price_of(database, "volume", 2800)
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await ship.has("2026-03-01", units=2, volume=3)
    await fleet.bill("2026-03-02 10:10")

    async def foreseen(moment: str) -> forecast.RunRate:
        async with database.transaction() as session:
            return await forecast.of(session, fleet.project_id, at=at(moment))

    running = await foreseen("2026-03-02 10:50")
    assert running.per_month == 2 * MONTH + 3 * 2800
    assert {one.meter: one.quantity for one in running.meters} == {PLAN: 1, UNITS: 1, "volume": 3}
    await ship.stop("2026-03-02 10:50")
    stopped = await foreseen("2026-03-02 10:50")
    assert stopped.this_month == running.this_month
    assert stopped.accrued == running.accrued
    assert stopped.per_month == 3 * 2800
    later = await foreseen("2026-03-02 18:00")
    await ship.resize("2026-03-02 18:00", await fleet.price(9000, plan="cutter"))
    assert (await foreseen("2026-03-02 18:00")).this_month == later.this_month
    await ship.becomes("2026-03-03", deleted_at=at("2026-03-03"), status="deleting")
    ended = await foreseen("2026-03-03")
    await fleet.bill("2026-03-03 00:01")
    assert ended.this_month == await ship.cost()


async def test_a_service_that_is_gone_says_the_plan_that_it_had_last(
    fleet: Fleet, database: Database
) -> None:
    ship = await fleet.ship(await fleet.price(MONTH, plan="schooner"))
    await ship.start("2026-03-01")
    await ship.resize("2026-03-02", await fleet.price(MONTH, plan="cutter"))
    await ship.becomes("2026-03-03", status="deleting", deleted_at=at("2026-03-03"))
    await fleet.bill("2026-03-03")
    async with database.transaction() as session:
        (one,) = (await forecast.of(session, fleet.project_id, at=at("2026-03-04"))).meters
    assert (one.plan_id, one.quantity) == ("cutter", 0)


class TestFunds:
    async def test_more_is_held_and_given_back(self, shop: Shop, purse: Purse, database: Database) -> None:
        await purse.top_up(1000)
        service_id = await shop.ordered()
        assert await purse.three() == (700, 300, 0)
        await self._add(database, service_id, UNITS, 1)
        assert await purse.three() == (400, 600, 0)
        # What should have made them failed: they are not there, and nothing is kept for them.
        async with database.transaction() as session:
            service = await session.get(Service, UUID(service_id), with_for_update=True)
            assert service
            await purchase.settle(session, service)
        assert await purse.three() == (700, 300, 0)

    async def test_scaling_holds_each_unit(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(700)
        path = f"/services/{await shop.ordered()}/processes"

        async def scaled(replicas: int) -> int:
            body = {"processes": [{"name": "web", "replicas": replicas}]}
            return (await shop.ask("PUT", path, body)).status_code

        assert await purse.three() == (400, 300, 0)
        assert await scaled(3) == 409
        assert await purse.three() == (400, 300, 0)
        assert await scaled(2) in (200, 202)
        assert await purse.three() == (100, 600, 0)
        assert await scaled(1) in (200, 202)
        assert await purse.three() == (400, 300, 0)

    async def test_nobody_gets_what_they_cannot_pay(
        self, shop: Shop, purse: Purse, database: Database
    ) -> None:
        await purse.top_up(350)
        service_id = await shop.ordered()
        with pytest.raises(Conflict) as refused:
            await self._add(database, service_id, "volume", 6)
        assert refused.value.code == "insufficient_funds"
        await self._add(database, service_id, "volume", 5)
        assert await purse.three() == (0, 350, 0)

    async def test_not_sold_in_this_currency(self, shop: Shop, purse: Purse, database: Database) -> None:
        await purse.top_up(1000)
        service_id = await shop.ordered()
        async with database.transaction() as session:
            await session.execute(update(Price).where(Price.addon_id == "volume").values(currency="JPY"))
        with pytest.raises(Conflict) as refused:
            await self._add(database, service_id, "volume", 1)
        assert refused.value.code == "addon_not_in_currency"

    async def test_the_preview_says_what_is_held(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(1000)
        service_id = await shop.ordered()
        path = f"/services/{service_id}/addition-preview"
        quote = (await shop.ask("GET", f"{path}?item=volume&quantity=10")).json()
        assert (quote["unit_minor"], quote["month_minor"], quote["held_minor"]) == (10, 100, 100)
        assert (quote["balance_after_minor"], quote["missing_minor"]) == (600, 0)
        quote = (await shop.ask("GET", f"{path}?item=units&quantity=1000000")).json()
        assert quote["missing_minor"] == 300 * 10**6 - 700
        for wrong in ("item=plan", "item=volume&quantity=0", "item=volume&quantity=1e9", "item=%00"):
            assert (await shop.ask("GET", f"{path}?{wrong}")).status_code == 422
        assert (await shop.ask("GET", f"/services/{uuid4()}/addition-preview?item=units")).status_code == 404

    async def test_a_dearer_plan_is_held_for_each_unit(
        self, shop: Shop, purse: Purse, database: Database
    ) -> None:
        await purse.top_up(2100)
        service_id = await shop.ordered()
        async with database.transaction() as session:
            service = await session.get(Service, UUID(service_id), with_for_update=True)
            assert service
            await purchase.add(session, service, UNITS, 2)
            session.add(ServiceProcess(service_id=service.id, name="web", replicas=3))
        assert await purse.three() == (1200, 900, 0)
        quote = (await shop.ask("GET", f"/services/{service_id}/plan-preview?plan_id=cutter")).json()
        assert (quote["beside_minor"], quote["held_minor"]) == (1400, 1200)
        assert (await shop.choose(service_id, "cutter")).status_code == 200
        assert await purse.three() == (0, 2100, 0)

    async def test_a_coupon_lowers_one_unit(
        self, shop: Shop, purse: Purse, admin: Person, database: Database
    ) -> None:
        """Or it would be worth the more the larger the order."""
        await purse.top_up(1000)
        body = {"code": "FREE-1", "kind": "amount", "amount_minor": 300, "currency": "EUR"}
        await shop.ask("POST", "/admin/billing/coupons", body, admin)
        service_id = await shop.ordered(coupon="FREE-1")
        assert await purse.three() == (1000, 0, 0)
        await self._add(database, service_id, UNITS, 2)
        assert await purse.three() == (400, 600, 0)

    @staticmethod
    async def _add(database: Database, service_id: str, meter: str, more: int) -> None:
        async with database.transaction() as session:
            service = await session.get(Service, UUID(service_id), with_for_update=True)
            assert service
            await purchase.add(session, service, meter, more)


STEP = st.tuples(st.integers(0, 2000), st.sampled_from((0, 0, 1, 3, 10)), st.booleans(), st.booleans())
"""Hours since the beginning; how many, at which of two prices; and whether a run comes before."""
BEGIN = datetime(2026, 1, 15, tzinfo=UTC)
END = BEGIN + timedelta(hours=2100)


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, max_size=7), runs=st.lists(st.integers(0, 2100), max_size=3))
async def test_any_quantities_in_any_order_cost_what_they_should(
    fleet: Fleet, steps: list[tuple[int, int, bool, bool]], runs: list[int]
) -> None:
    """Events in any order with runs in between cost what the life as it was costs."""
    months = (777, 4099)
    prices = [await fleet.price(month) for month in months]
    ship = await fleet.ship(prices[0])
    await ship.start(BEGIN)
    # A meter of its own, which no run sets right by what the service has.
    async with fleet.database.transaction() as session:
        values = {"service_id": ship.id, "meter": "crew", "project_id": fleet.project_id}
        session.add(UsageMeter(**values, quantity=0, events=0, changed_at=BEGIN, metered_through=BEGIN))
    life: list[tuple[datetime, int, int, int]] = []
    waiting = sorted(runs)
    for number, (hours, quantity, dear, run_first) in enumerate(steps):
        if run_first and waiting:
            await _rate(fleet, BEGIN + timedelta(hours=waiting.pop(0)))
        moment = BEGIN + timedelta(hours=hours)
        kind = UsageKind.RESIZED if quantity else UsageKind.STOPPED
        price_id = prices[dear] if quantity else None
        await ship.late(moment, kind, price_id, meter="crew", quantity=quantity)
        life.append((moment, number, quantity, months[dear]))
    await _rate(fleet, END)
    await _rate(fleet, END)
    found: dict[date, int] = defaultdict(int)
    for charge in await ship.charges():
        if charge.meter == "crew":
            found[charge.day.replace(day=1)] += charge.amount
    assert {month: cost for month, cost in found.items() if cost} == _expected(life)
    await verify(fleet.database, ship)


async def _rate(fleet: Fleet, moment: datetime) -> None:
    """All of a run but what follows services, which know nothing of a crew."""
    from backend.billing.metering import rating

    await rating.read_out(fleet.database, moment, "UTC")
    await rating.rate(fleet.database)
    await rating.post(fleet.database, moment.date())


def _expected(life: list[tuple[datetime, int, int, int]]) -> dict[date, int]:
    seconds: dict[tuple[date, int], int] = defaultdict(int)
    ends = [*sorted(life), (END, 10**6, 0, 0)]
    for (start, _, quantity, month), (end, *_) in pairwise(ends):
        moment = start
        while quantity and moment < min(end, END):
            step = min(moment + timedelta(hours=1), end, END)
            seconds[moment.date().replace(day=1), quantity * month] += int((step - moment).total_seconds())
            moment = step
    found = {}
    for month_of in {month_of for month_of, _ in seconds}:
        used = {price: n for (which, price), n in seconds.items() if which == month_of}
        weight = sum(price * n for price, n in used.items())
        found[month_of] = min((2 * weight + PERIOD) // (2 * PERIOD), max(used))
    return {month_of: cost for month_of, cost in found.items() if cost}
