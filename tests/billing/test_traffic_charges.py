"""What a month of traffic costs above what the plan includes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from backend.billing.invoices import monthly
from backend.billing.invoices.models import Invoice, InvoiceLine
from backend.billing.metering import forecast
from backend.billing.metering.models import TRAFFIC, UsageCharge
from backend.billing.prices.models import Price
from backend.billing.traffic import counting
from backend.billing.traffic.models import TrafficMonth
from backend.catalogue.models import Plan
from backend.config import Settings, use
from backend.database import Database
from tests.billing.edge_log import GIB, counted, line, old, write
from tests.billing.meters import Fleet, Ship, at
from tests.billing.purse import Purse
from tests.billing.test_addons import price_of
from tests.support.people import Person


@pytest.fixture
def settings(settings_of: Callable[..., Settings], tmp_path: Path) -> Settings:
    return settings_of(credit_limit_minor=0, edge_routes_file=tmp_path / "routes.map")


@pytest.fixture
def log(settings: Settings) -> Path:
    return settings.edge_traffic_log


async def months(database: Database) -> list[TrafficMonth]:
    async with database.transaction() as session:
        return list(await session.scalars(select(TrafficMonth).order_by(TrafficMonth.month)))


async def traffic_charges(database: Database) -> list[UsageCharge]:
    async with database.transaction() as session:
        wanted = select(UsageCharge).where(UsageCharge.meter == TRAFFIC).order_by(UsageCharge.id)
        return list(await session.scalars(wanted))


async def include(database: Database, plan: str, size: int | None) -> None:
    async with database.transaction() as session:
        await session.execute(update(Plan).where(Plan.id == plan).values(traffic_bytes=size))


class TestCharges:
    @pytest.fixture
    async def ship(self, fleet: Fleet, database: Database) -> Ship:
        await price_of(database, TRAFFIC, 7)
        await include(database, "dinghy", 31 * GIB)
        ship = await fleet.ship(name="tug")
        await old(ship)
        return ship

    async def test_once_the_month_is_over(
        self, fleet: Fleet, ship: Ship, purse: Purse, settings: Settings, database: Database, log: Path
    ) -> None:
        """31 GiB are included in the whole month; the rest costs by the GiB that was begun."""
        await purse.top_up(10_000)
        await ship.start("2026-03-01")
        write(log, line("tug.localhost", 40 * GIB, 1, at("2026-03-05")))
        await counting.run(settings, database)
        await fleet.bill("2026-03-20")
        assert await traffic_charges(database) == []
        await fleet.bill("2026-04-01 00:05")
        (charge,) = await traffic_charges(database)
        assert (charge.quantity, charge.amount, charge.day) == (10, 70, at("2026-03-31").date())
        assert charge.posted_at is not None
        await fleet.bill("2026-04-01 00:10")
        assert len(await traffic_charges(database)) == 1
        # What was written while nobody counted.
        write(log, line("tug.localhost", 2 * GIB, 0, at("2026-03-31 23:59")))
        await counting.run(settings, database)
        await fleet.bill("2026-04-02")
        assert [one.quantity for one in await traffic_charges(database)] == [10, 2]
        (month,) = await months(database)
        assert (month.charged_units, month.included_bytes) == (12, 31 * GIB)

    async def test_a_part_of_the_month_includes_a_part(
        self, fleet: Fleet, ship: Ship, settings: Settings, database: Database, log: Path
    ) -> None:
        """And a dearer plan for an hour no more than an hour of it."""
        await include(database, "schooner", 31 * 24 * GIB)
        await ship.start("2026-03-11")
        await ship.resize("2026-03-21", await fleet.price(5000, plan="schooner"))
        await ship.resize("2026-03-21 01:00", await fleet.price(5000, plan="dinghy"))
        await ship.stop("2026-03-21 02:00")
        write(log, line("tug.localhost", 20 * GIB, 0, at("2026-03-12")))
        await counting.run(settings, database)
        await fleet.bill("2026-04-01 00:05")
        (month,) = await months(database)
        assert month.included_bytes == 10 * GIB + GIB + GIB // 24
        assert month.charged_units == 9

    async def test_no_plan_that_says_so_has_a_limit(
        self, fleet: Fleet, ship: Ship, settings: Settings, database: Database, log: Path
    ) -> None:
        await include(database, "dinghy", None)
        await ship.start("2026-03-01")
        write(log, line("tug.localhost", 10**14, 0, at("2026-03-12")))
        await counting.run(settings, database)
        await fleet.bill("2026-04-01 00:05")
        assert await traffic_charges(database) == []

    async def test_who_leaves_pays_at_once(
        self, fleet: Fleet, ship: Ship, settings: Settings, database: Database, log: Path
    ) -> None:
        await ship.start("2026-03-01")
        write(log, line("tug.localhost", 40 * GIB, 0, at("2026-03-01 12:00")))
        await counting.run(settings, database)
        await ship.becomes("2026-03-02", status="deleting", deleted_at=at("2026-03-02"))
        await fleet.bill("2026-03-02 00:10")
        (charge,) = await traffic_charges(database)
        assert (charge.quantity, charge.day) == (39, at("2026-03-02").date())
        assert charge.posted_at is not None

    async def test_who_leaves_during_a_run_is_charged_by_the_next(
        self, fleet: Fleet, ship: Ship, settings: Settings, database: Database, log: Path
    ) -> None:
        """What it had of its plan is not metered to its end before, and so not what that includes."""
        await ship.start("2026-03-02 00:10")
        write(log, line("tug.localhost", GIB // 100, 0, at("2026-03-02 00:15")))
        await counting.run(settings, database)
        await ship.becomes("2026-03-02 00:40", status="deleting", deleted_at=at("2026-03-02 00:40"))
        await fleet.bill("2026-03-02 00:30")
        assert [month.rated_bytes for month in await months(database)] == [None]
        await fleet.bill("2026-03-02 00:50")
        (month,) = await months(database)
        assert (month.included_bytes, month.charged_units) == (31 * GIB // (31 * 48), 0)
        assert await traffic_charges(database) == []

    async def test_forecast_and_usage_say_it(
        self,
        fleet: Fleet,
        ship: Ship,
        purse: Purse,
        settings: Settings,
        database: Database,
        log: Path,
        client: httpx.AsyncClient,
        ada: Person,
    ) -> None:
        await purse.top_up(10_000)
        await ship.start("2026-03-01")
        for day in (1, 2, 3):
            write(log, line("tug.localhost", 10 * GIB, GIB, at(f"2026-03-0{day} 09:00")))
        await counting.run(settings, database)
        async with database.transaction() as session:
            rate = await forecast.of(session, fleet.project_id, at=at("2026-03-04"))
        (one,) = rate.traffic
        assert (one.bytes, one.included, one.units, one.amount) == (33 * GIB, 31 * GIB, 2, 14)
        assert one.expected == 33 * GIB * 31 // 3
        assert rate.accrued == 300 + 14
        path = f"/api/v1/projects/{fleet.project_id}/billing"
        asked = {"since": "2026-03-01", "until": "2026-03-31"}
        said = (await client.get(f"{path}/usage", params=asked, headers=ada.headers)).json()
        (service,) = said["traffic"]
        assert service["service"] == "tug"
        assert service["days"][0] == {"day": "2026-03-01", "requests": 1, "received": GIB, "sent": 10 * GIB}
        await fleet.bill("2026-04-01 00:05")
        said = (await client.get(f"{path}/usage", params=asked, headers=ada.headers)).json()
        (charge,) = [one for one in said["charges"] if one["meter"] == TRAFFIC]
        assert (charge["quantity"], charge["unit"], charge["addon_id"], charge["plan_id"]) == (
            *(2, "GiB", "traffic"),
            None,
        )
        traced = (await client.get(f"{path}/usage/charges/{charge['id']}", headers=ada.headers)).json()
        assert traced["records"] == []
        assert traced["traffic"]["used_bytes"] == 33 * GIB
        assert traced["traffic"]["included_bytes"] == 31 * GIB
        assert len(traced["traffic"]["days"]) == 3

    async def test_an_invoice_has_it_in_a_line(
        self, fleet: Fleet, ship: Ship, purse: Purse, settings: Settings, database: Database, log: Path
    ) -> None:
        await purse.top_up(100_000)
        await price_of(database, "volume", 28)
        await ship.start("2026-03-01")
        await ship.has("2026-03-01", units=3, volume=4)
        write(log, line("tug.localhost", 94 * GIB, 0, at("2026-03-01 09:00")))
        await counting.run(settings, database)
        await fleet.bill("2026-04-01 00:05")
        await monthly.run(settings, database, at=at("2026-04-01 03:00"))
        async with database.transaction() as session:
            invoice = (await session.scalars(select(Invoice))).one()
            lines = list(
                await session.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id))
            )
        said = {one.parameters["meter"]: (one.parameters.get("quantity"), one.net) for one in lines}
        # Of three units each includes its own traffic.
        assert said == {"plan": (1, 2800), "units": (2, 5600), "volume": (4, 112), "traffic": (1, 7)}
        assert {one.parameters.get("unit") for one in lines} == {None, "GiB"}


async def test_nothing_is_charged_where_nothing_is(
    fleet: Fleet, settings_of: Callable[..., Settings], database: Database, log: Path, settings: Settings
) -> None:
    """Billing that is off counts for people to see, and asks for nothing later."""
    free = use(settings.model_copy(update={"billing_enabled": False}))
    ship = await fleet.ship(name="tug")
    await old(ship)
    write(log, line("tug.localhost", 400 * GIB, 0, at("2026-03-01 12:00")))
    await counting.run(free, database)
    assert (await counted(database))[0] == 1
    assert await months(database) == []
    use(settings)


@hypothesis_settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    parts=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 30 * GIB)), min_size=1, max_size=6),
    cuts=st.lists(st.integers(0, 5), max_size=3),
)
async def test_any_order_and_partition_costs_the_same(
    fleet: Fleet, database: Database, tmp_path: Path, parts: list[tuple[int, int]], cuts: list[int]
) -> None:
    """Lines in any order, counted in any pieces, with runs in between: what the month's sum costs."""
    folder = tmp_path / uuid4().hex
    folder.mkdir()
    here = use(fleet.settings.model_copy(update={"edge_routes_file": folder / "routes.map"}))
    async with database.transaction() as session:
        known = await session.scalar(select(Price.month_minor).where(Price.addon_id == TRAFFIC))
    if known != 7:
        await price_of(database, TRAFFIC, 7)
    await include(database, "dinghy", 31 * GIB)
    name = f"ship-{uuid4().hex[:10]}"
    ship = await fleet.ship(name=name)
    await old(ship)
    await ship.start("2026-03-01")
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    sums = {3: 0, 4: 0}
    for number, (day, sent) in enumerate(parts):
        moment = begin + timedelta(days=day)
        sums[moment.month] = sums.get(moment.month, 0) + sent
        write(here.edge_traffic_log, line(f"{name}.localhost", sent, 0, moment))
        if number in cuts:
            await counting.run(here, database)
            await fleet.bill("2026-05-01 00:05")
    await counting.run(here, database)
    await fleet.bill("2026-05-01 00:05")
    included = {3: 31 * GIB, 4: 31 * GIB}
    wanted = sum(-(-max(0, used - included[month]) // GIB) for month, used in sums.items())
    charged = [one for one in await traffic_charges(database) if one.service_id == ship.id]
    assert sum(one.quantity for one in charged) == wanted
    assert sum(one.amount for one in charged) == wanted * 7
