"""What runs costs, how long the money lasts, and what the usage page is told."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from backend.billing.metering import forecast
from backend.billing.metering.forecast import Metered, RunRate, days_left
from backend.billing.prices.tax import Treatment
from backend.config import use
from backend.database import Database, now
from tests.billing.meters import DAY, MONTH, Fleet, at
from tests.billing.purse import Purse
from tests.support.people import Person, UserFactory

UNTAXED = Treatment("none", 0, "exclusive")


def metered(month: int, weight: int = 0) -> Metered:
    return Metered(uuid4(), "ship", "plan", "dinghy", month, weight, month, 0)


async def rate_of(fleet: Fleet, moment: str | datetime) -> RunRate:
    async with fleet.database.transaction() as session:
        return await forecast.of(
            session, fleet.project_id, at=at(moment) if isinstance(moment, str) else moment
        )


@pytest.mark.parametrize(
    ("funds", "moment", "days"),
    [
        (0, "2026-03-01", 0.0),
        (-5, "2026-03-01", 0.0),
        (50, "2026-03-01", 0.5),
        (700, "2026-03-01", 7.0),
        # Once the month's price is used up, the rest of the month is free.
        (2850, "2026-03-01", 31.5),
        (2850, "2026-02-01", 28.5),
        (2850, "2028-02-01", 29.5),
        # A year's months cost twelve times their price.
        (28_000 * 12, "2026-01-01", 3650.0),
        (10**15, "2026-01-01", 36_500.0),
    ],
)
def test_how_long_money_lasts(funds: int, moment: str, days: float | None) -> None:
    assert days_left([metered(MONTH)], funds, UNTAXED, at(moment)) == days


def test_what_is_used_up_this_month_lasts_until_the_next() -> None:
    used = metered(MONTH, weight=MONTH * 28 * 86_400)
    assert days_left([used], 100, UNTAXED, at("2026-03-30")) == 3.0


def test_tax_is_spent_too() -> None:
    exclusive = Treatment("domestic", 250_000, "exclusive", "DE")
    assert days_left([metered(MONTH)], 1000, exclusive, at("2026-03-01")) == 8.0
    assert days_left([metered(MONTH)], 1000, Treatment("domestic", 250_000, "inclusive", "DE"), now()) == 10.0


@pytest.mark.parametrize(
    ("lowered", "ends", "funds", "days"),
    [
        # Half price for two days, then 100 a day.
        (MONTH // 2, "2026-03-03", 500, 6.0),
        (MONTH // 2, "2026-03-02 12:00", 500, 5.75),
        (MONTH // 2, "2026-03-30", 500, 10.0),
        # Its end is past, and no run has carried it out yet.
        (MONTH // 2, "2026-02-20", 500, 5.0),
        (0, "2026-03-11", 300, 13.0),
        (0, "2028-01-01", 300, 36_500.0),
    ],
)
def test_a_discount_ends(lowered: int, ends: str, funds: int, days: float) -> None:
    one = replace(metered(lowered), discount_ends=at(ends), month_after=MONTH)
    assert days_left([one], funds, UNTAXED, at("2026-03-01")) == days


def test_nothing_runs() -> None:
    assert days_left([], 0, UNTAXED, now()) is None


async def test_run_rate_and_what_is_not_yet_taken(fleet: Fleet, purse: Purse) -> None:
    await purse.top_up(1000)
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await fleet.bill("2026-03-02 12:00")
    rate = await rate_of(fleet, "2026-03-02 18:00")
    assert (rate.currency, rate.per_hour, rate.per_month) == ("EUR", "4.166666666667", MONTH)
    assert (rate.accrued, rate.this_month) == (75, 175)
    assert (await purse.standing()).balance == 900
    assert rate.days_left == 8.25


async def test_what_stopped_costs_nothing_more(fleet: Fleet, purse: Purse) -> None:
    await purse.top_up(1000)
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await ship.stop("2026-03-02")
    await fleet.bill("2026-03-02 12:00")
    rate = await rate_of(fleet, "2026-03-20")
    assert (rate.per_hour, rate.per_month, rate.days_left) == ("0", 0, None)
    assert (rate.accrued, rate.this_month) == (0, 100)


async def test_forecast_agrees_with_the_bill(fleet: Fleet) -> None:
    """What it said an hour before is what is charged."""
    ship = await fleet.ship(await fleet.price(7919))
    await ship.start("2026-03-03 05:00")
    await fleet.bill("2026-03-17 11:00")
    foreseen = await rate_of(fleet, "2026-03-31 23:00")
    await fleet.bill("2026-03-31 23:00")
    assert foreseen.this_month == await ship.cost()


async def test_usage_by_service_and_day(
    fleet: Fleet, purse: Purse, client: httpx.AsyncClient, ada: Person
) -> None:
    await purse.top_up(1000)
    tug, yacht = await fleet.ship(name="tug"), await fleet.ship(await fleet.price(5600), name="yacht")
    await tug.start("2026-03-01")
    await yacht.start("2026-03-02")
    await fleet.bill("2026-03-03 12:00")
    said = await _get(client, ada, "usage", since="2026-03-01", until="2026-03-31")
    assert (said["currency"], said["gross"]) == ("EUR", 100 + 100 + 200 + 50 + 100)
    assert [(one["service"]["name"], one["gross"]) for one in said["services"]] == [
        ("yacht", 300),
        ("tug", 250),
    ]
    assert [
        (one["day"], one["service"]["name"], one["posted_at"] is not None) for one in said["charges"]
    ] == [
        ("2026-03-01", "tug", True),
        ("2026-03-02", "tug", True),
        ("2026-03-02", "yacht", True),
        ("2026-03-03", "tug", False),
        ("2026-03-03", "yacht", False),
    ]
    only = await _get(client, ada, "usage", since="2026-03-02", until="2026-03-02", service_id=str(tug.id))
    assert [one["gross"] for one in only["charges"]] == [100]


async def test_usage_as_csv(fleet: Fleet, client: httpx.AsyncClient, ada: Person) -> None:
    ship = await fleet.ship(name="tug")
    await ship.start("2026-03-01 12:00")
    await fleet.bill("2026-03-02")
    answer = await client.get(
        f"/api/v1/projects/{ada.project_id}/billing/usage.csv?since=2026-03-01&until=2026-03-05",
        headers=ada.headers,
    )
    assert answer.headers["content-disposition"] == 'attachment; filename="usage-2026-03-01-2026-03-05.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert (row["day"], row["service"], row["hours"], row["gross"]) == (
        "2026-03-01",
        "tug",
        "12.0000",
        "0.50",
    )


async def test_a_charge_is_traced_to_events(fleet: Fleet, client: httpx.AsyncClient, ada: Person) -> None:
    ship = await fleet.ship(name="tug")
    await ship.start("2026-03-01 06:00")
    await ship.stop("2026-03-01 12:00")
    await ship.start("2026-03-01 18:00")
    await fleet.bill("2026-03-02")
    (charge,) = await ship.charges()
    said = await _get(client, ada, f"usage/charges/{charge.id}")
    assert (said["seconds"], said["gross"], said["month_minor"]) == (12 * 3600, 50, MONTH)
    assert said["transaction_id"] == str(charge.transaction_id)
    assert [
        (one["seconds"], one["event"]["kind"], one["event"]["occurred_at"]) for one in said["records"]
    ] == [
        (6 * 3600, "started", "2026-03-01T06:00:00Z"),
        (6 * 3600, "started", "2026-03-01T18:00:00Z"),
    ]


async def test_strangers_see_nothing(
    fleet: Fleet, client: httpx.AsyncClient, user_factory: UserFactory
) -> None:
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await fleet.bill("2026-03-02")
    (charge,) = await ship.charges()
    stranger = await user_factory()
    for path in ("usage", "usage.csv", "forecast", f"usage/charges/{charge.id}"):
        answer = await client.get(
            f"/api/v1/projects/{fleet.project_id}/billing/{path}", headers=stranger.headers
        )
        assert answer.status_code == 404, path
    own = await client.get(
        f"/api/v1/projects/{stranger.project_id}/billing/usage/charges/{charge.id}", headers=stranger.headers
    )
    assert own.status_code == 404


@pytest.mark.parametrize(
    "period", [{"since": "2026-03-02", "until": "2026-03-01"}, {"since": "2024-01-01", "until": "2026-01-01"}]
)
async def test_periods_that_make_no_sense(
    client: httpx.AsyncClient, ada: Person, period: dict[str, str]
) -> None:
    answer = await client.get(
        f"/api/v1/projects/{ada.project_id}/billing/usage", params=period, headers=ada.headers
    )
    assert answer.status_code == 422
    assert answer.json()["code"] == "period_invalid"


async def test_the_forecast_as_the_api_says_it(fleet: Fleet, client: httpx.AsyncClient, ada: Person) -> None:
    fleet.settings = use(
        fleet.settings.model_copy(update={"operator_country": "DE", "credit_limit_minor": 10_000})
    )
    tug, other = await fleet.ship(name="tug"), await fleet.ship(name="other")
    await tug.start(datetime.now(UTC) - timedelta(minutes=1))
    await other.start(datetime.now(UTC) - DAY)
    said = await _get(client, ada, "forecast", service_id=str(tug.id))
    assert said["per_month"] == 2 * (MONTH + MONTH * 19 // 100)
    (service,) = said["services"]
    assert (service["service"], service["per_month"]) == ("tug", MONTH + MONTH * 19 // 100)
    assert 0 < said["days_left"] < 60


async def test_administrators_see_runs(
    fleet: Fleet, client: httpx.AsyncClient, admin: Person, ada: Person, database: Database
) -> None:
    await fleet.bill("2026-03-01")
    ship = await fleet.ship()
    await ship.start("2026-03-01")
    await fleet.bill("2026-03-03")
    await fleet.bill("2026-03-03")
    path = "/api/v1/admin/billing/runs?kind=rating&state=succeeded"
    assert (await client.get(path, headers=ada.headers)).status_code == 403
    items = (await client.get(path, headers=admin.headers)).json()["items"]
    # Those that did nothing make room for the next of their kind.
    assert [one["counts"] for one in items] == [
        {},
        {"meters": 1, "records": 2, "rated": 2, "charges": 2},
    ]
    assert {one["progress"] for one in items} == {100}


async def _get(client: httpx.AsyncClient, person: Person, path: str, **asked: str) -> dict[str, Any]:
    answer = await client.get(
        f"/api/v1/projects/{person.project_id}/billing/{path}", params=asked, headers=person.headers
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
