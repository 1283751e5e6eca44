"""From what a service does to records of time: whole, once, in days of the billing time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from backend.billing.metering.models import UsageKind
from backend.config import Settings, use
from backend.database import Database
from backend.services.models import Desired, ServiceStatus
from tests.billing.meters import DAY, MONTH, Fleet, at


async def test_a_life_in_events(fleet: Fleet) -> None:
    ship = await fleet.ship()
    await ship.start("2026-03-01 10:00")
    await ship.becomes("2026-03-01 11:00", status=ServiceStatus.CRASHED)
    await ship.becomes("2026-03-01 11:05", status=ServiceStatus.RUNNING)
    await ship.resize("2026-03-02 10:00", await fleet.price(5600, plan="cutter"))
    await ship.resize("2026-03-03 10:00", await fleet.price(4000, plan="cutter"))
    await ship.stop("2026-03-04 10:00")
    await ship.stop("2026-03-04 11:00")
    await ship.start("2026-03-05 10:00")
    await ship.becomes("2026-03-06 10:00", status=ServiceStatus.DELETING)
    await ship.becomes("2026-03-06 10:01", status=ServiceStatus.DELETING, deleted_at=at("2026-03-06 10:01"))
    assert await ship.events() == [
        ("started", at("2026-03-01 10:00")),
        ("resized", at("2026-03-02 10:00")),
        ("repriced", at("2026-03-03 10:00")),
        ("stopped", at("2026-03-04 10:00")),
        ("started", at("2026-03-05 10:00")),
        ("deleted", at("2026-03-06 10:00")),
    ]


async def test_a_crashed_service_holds_its_place(fleet: Fleet) -> None:
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await ship.becomes("2026-03-01 06:00", status=ServiceStatus.CRASHED)
    await fleet.bill("2026-03-02")
    assert await ship.cost() == 100


async def test_a_suspended_service_costs_nothing(fleet: Fleet) -> None:
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await ship.becomes("2026-03-02", suspended_at=at("2026-03-02"))
    await ship.becomes("2026-03-04", suspended_at=None)
    await fleet.bill("2026-03-05")
    assert await ship.days() == {date(2026, 3, 1): 100, date(2026, 3, 4): 100}


async def test_what_never_went_live_is_not_metered(fleet: Fleet) -> None:
    ship = await fleet.ship()
    assert await ship.becomes("2026-03-01", live_deployment_id=None, desired=Desired.RUNNING) == ()
    await fleet.bill("2026-03-05")
    assert await ship.events() == []
    assert await ship.charges() == []


async def test_hours_are_read_out_and_cut_at_midnight(fleet: Fleet) -> None:
    ship = await fleet.ship()
    await ship.start("2026-03-01 22:30")
    await fleet.bill("2026-03-01 23:10")
    await fleet.bill("2026-03-01 23:50")
    await fleet.bill("2026-03-02 02:20")
    # When it starts it is read out at once, afterwards to the full hour.
    assert [(row.day.day, row.from_at, row.to_at) for row in await ship.records()] == [
        (1, at("2026-03-01 22:30"), at("2026-03-01 23:10")),
        (1, at("2026-03-01 23:10"), at("2026-03-02")),
        (2, at("2026-03-02"), at("2026-03-02 02:00")),
    ]


async def test_an_outage_of_ten_days_misses_nothing(fleet: Fleet) -> None:
    ship = await fleet.ship()
    await ship.start("2026-02-25")
    await fleet.bill("2026-02-26 05:00")
    await fleet.bill("2026-03-08")
    await fleet.bill("2026-03-08")
    assert await ship.days() == {date(2026, 2, 25) + n * DAY: 100 for n in range(11)}


async def test_a_clock_that_goes_back_bills_nothing_twice(fleet: Fleet) -> None:
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await fleet.bill("2026-03-03")
    before = await ship.records()
    await fleet.bill("2026-03-02")
    await fleet.bill("2026-03-01")
    # And what happens meanwhile cannot have happened before what is known.
    await ship.stop("2026-02-27")
    await ship.start("2026-02-27")
    await fleet.bill("2026-03-03")
    assert await ship.cost() == 200
    assert await ship.events() == [
        ("started", at("2026-03-01")),
        ("stopped", at("2026-03-01")),
        ("started", at("2026-03-01")),
    ]
    assert sum(row.seconds for row in await ship.records()) == sum(row.seconds for row in before)


async def test_an_event_of_the_future_waits(fleet: Fleet) -> None:
    """One of several machines has a clock that is ahead."""
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await ship.stop("2026-03-02 00:00:30")
    await fleet.bill("2026-03-02")
    await fleet.bill("2026-03-02 12:00")
    assert sum(row.seconds for row in await ship.records()) == 86_430


@pytest.mark.parametrize(
    ("moment", "kind", "dearer", "days"),
    [
        ("2026-03-02", UsageKind.STOPPED, False, {1: 100, 2: 0, 3: 0}),
        ("2026-03-01", UsageKind.STOPPED, False, {1: 0, 2: 0, 3: 0}),
        ("2026-03-03", UsageKind.RESIZED, True, {1: 100, 2: 100, 3: 200}),
    ],
)
async def test_late_events_take_back_and_add(
    fleet: Fleet, moment: str, kind: UsageKind, dearer: bool, days: dict[int, int]
) -> None:
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await fleet.bill("2026-03-04")
    assert await ship.cost() == 300
    await ship.late(moment, kind, await fleet.price(2 * MONTH) if dearer else None)
    await fleet.bill("2026-03-04")
    assert await ship.days() == {date(2026, 3, day): cost for day, cost in days.items()}
    assert min(row.seconds for row in await ship.records()) < 0


async def test_a_late_event_before_another(fleet: Fleet) -> None:
    """It was stopped and started again, and only the start was heard of in time."""
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    dearer = await fleet.price(2 * MONTH)
    await ship.resize("2026-03-03", dearer)
    await fleet.bill("2026-03-05")
    await ship.late("2026-03-02", UsageKind.STOPPED, None)
    await fleet.bill("2026-03-05")
    assert await ship.days() == {date(2026, 3, n): cost for n, cost in ((1, 100), (2, 0), (3, 200), (4, 200))}
    assert (await ship.meter()).price_id == dearer


@pytest.mark.parametrize(
    ("zone", "start", "days"),
    [
        # Spring: a day of 23 hours; autumn: one of 25.
        ("Europe/Berlin", "2026-03-28 23:00", {date(2026, 3, 29): 23, date(2026, 3, 30): 24}),
        ("Europe/Berlin", "2026-10-24 22:00", {date(2026, 10, 25): 25, date(2026, 10, 26): 24}),
        # Where the clocks change at midnight, and the day has none.
        ("Africa/Cairo", "2026-04-23 22:00", {date(2026, 4, 24): 23, date(2026, 4, 25): 24}),
        ("Asia/Kathmandu", "2026-05-01 18:15", {date(2026, 5, 2): 24, date(2026, 5, 3): 24}),
        ("UTC", "2028-02-29", {date(2028, 2, 29): 24, date(2028, 3, 1): 24}),
    ],
)
async def test_days_of_the_billing_time_zone(
    fleet: Fleet,
    settings_of: Callable[..., Settings],
    zone: str,
    start: str,
    days: dict[date, int],
) -> None:
    fleet.settings = use(settings_of(billing_time_zone=zone, credit_limit_minor=0))
    ship = await fleet.ship()
    await ship.start(start)
    await fleet.bill(at(start) + timedelta(hours=sum(days.values())))
    hours: dict[date, int] = {}
    for row in await ship.records():
        hours[row.day] = hours.get(row.day, 0) + row.seconds
    assert hours == {day: 3600 * length for day, length in days.items()}


async def test_a_service_that_was_there_before_billing(fleet: Fleet, database: Database) -> None:
    """It is metered from the first run on, and not for what it ran before."""
    ship = await fleet.ship()
    async with database.transaction() as session:
        await session.execute(
            text("UPDATE services SET desired = 'running', status = 'running' WHERE id = :id"),
            {"id": ship.id},
        )
    await fleet.bill("2026-03-01")
    await fleet.bill("2026-03-02")
    assert await ship.events() == [("started", at("2026-03-01"))]
    assert await ship.cost() == 100


async def test_billing_turned_off_and_on(fleet: Fleet, settings_of: Callable[..., Settings]) -> None:
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    on, fleet.settings = fleet.settings, use(settings_of(billing_enabled=False))
    await fleet.bill("2026-03-02")
    other = await fleet.ship()
    await other.start("2026-03-03")
    await fleet.bill("2026-03-05")
    fleet.settings = use(on)
    await fleet.bill("2026-03-06")
    await fleet.bill("2026-03-07")
    assert await ship.days() == {date(2026, 3, 1): 100, date(2026, 3, 6): 100}
    assert await other.days() == {date(2026, 3, 6): 100}


async def test_records_and_posted_charges_are_final(fleet: Fleet, database: Database) -> None:
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await fleet.bill("2026-03-03")
    for statement in (
        "UPDATE usage_records SET seconds = 1",
        "DELETE FROM usage_records",
        "TRUNCATE usage_records",
        "UPDATE usage_charges SET amount = 1",
        "DELETE FROM usage_charges",
        "UPDATE usage_events SET occurred_at = now()",
        "DELETE FROM usage_events",
    ):
        with pytest.raises(DBAPIError) as refused:
            async with database.transaction() as session:
                await session.execute(text(statement))
        cause = refused.value.orig and refused.value.orig.__cause__
        assert isinstance(cause, asyncpg.InsufficientPrivilegeError), statement


async def test_many_services_in_small_batches(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.billing.metering.rating.METERS_AT_ONCE", 2)
    monkeypatch.setattr("backend.billing.metering.rating.RECORDS_AT_ONCE", 3)
    monkeypatch.setattr("backend.billing.metering.rating.CHARGES_AT_ONCE", 2)
    price = await fleet.price(MONTH)
    ships = [await fleet.ship(price) for _ in range(5)]
    for ship in ships:
        await ship.start("2026-03-01")
    await fleet.bill("2026-03-04")
    assert [await ship.cost() for ship in ships] == [300] * 5
    assert len({charge.transaction_id for ship in ships for charge in await ship.charges()}) == 15
