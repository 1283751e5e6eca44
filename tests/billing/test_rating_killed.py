"""A worker that is killed in the middle of a run (SIGKILL, a process of its own), and the run after it."""

from __future__ import annotations

import asyncio
import multiprocessing
from datetime import timedelta
from multiprocessing.process import BaseProcess
from typing import Any

import asyncpg
import pytest

from backend.billing.metering import rating
from backend.config import Settings, use
from backend.database import Database
from benchmarks.rating_million import fill
from tests.billing.meters import Fleet, at
from tests.billing.purse import Purse
from tests.billing.test_rating import verify

MOMENT = at("2026-04-10")
EXPECTED = """
WITH daily AS (
    SELECT service_id, day, price_id, month_minor, sum(seconds) AS seconds
    FROM usage_records JOIN prices ON prices.id = price_id GROUP BY 1, 2, 3, 4
), upto AS (
    SELECT service_id, sum(sum(seconds * month_minor)) OVER (PARTITION BY service_id ORDER BY day) AS weight,
        max(max(month_minor)) OVER (PARTITION BY service_id) AS cap
    FROM daily GROUP BY service_id, day
)
SELECT service_id, max(least(round(weight / 2419200), cap))::bigint AS amount FROM upto GROUP BY service_id
"""
"""What each service costs, by one aggregate of its records: they are of one month."""
POSITION = "SELECT max(record_id) FROM usage_positions"
DONE = "SELECT (SELECT count(*) FROM usage_records) + (SELECT count(posted_at) FROM usage_charges)"
CHARGED = "SELECT service_id, sum(amount)::bigint AS amount FROM usage_charges GROUP BY service_id"


@pytest.fixture
async def connection(settings: Settings, database: Database) -> Any:
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    yield connection
    await connection.close()


async def test_killed_again_and_again_in_a_million_records(
    settings: Settings, database: Database, connection: asyncpg.Connection
) -> None:
    assert await fill(connection) > 1_000_000
    position, killed = 0, 0
    for _ in range(3):
        worker = _started(_rate, settings)
        position = await _beyond(connection, POSITION, position)
        # It is in the middle of the next batch now.
        worker.kill()
        killed += worker.exitcode is None
        worker.join()
    assert position < 1_000_000
    assert killed == 3
    await rating.rate(database)
    assert await connection.fetch(f"{CHARGED} ORDER BY 1") == await connection.fetch(f"{EXPECTED} ORDER BY 1")
    # Every hour is in exactly one day's charge.
    lost = """
    SELECT service_id, day, price_id, sum(seconds) FROM usage_records GROUP BY 1, 2, 3
    EXCEPT SELECT service_id, day, price_id, sum(seconds) FROM usage_charges GROUP BY 1, 2, 3
    """
    assert await connection.fetch(lost) == []
    # Once more, and it changes nothing.
    before = await connection.fetchval("SELECT count(*) FROM usage_charges")
    await rating.rate(database)
    assert await connection.fetchval("SELECT count(*) FROM usage_charges") == before


async def test_killed_between_events_and_ledger(
    fleet: Fleet, purse: Purse, settings: Settings, connection: asyncpg.Connection
) -> None:
    """Whole runs in small steps, killed after one of them each: metering, rating and posting alike."""
    await purse.top_up(10_000)
    price = await fleet.price(1999)
    ships = [await fleet.ship(price) for _ in range(12)]
    for number, ship in enumerate(ships):
        await ship.start(at("2026-03-01") + timedelta(hours=number))
    done = 0
    for _ in range(6):
        worker = _started(_run, settings)
        done = await _beyond(connection, DONE, done)
        worker.kill()
        assert worker.exitcode is None
        worker.join()
    assert done < 12 * 40 * 2
    await fleet.bill(MOMENT)
    # March is longer than what a month's price buys, and April is not over.
    assert {await ship.cost() for ship in ships} == {1999 + round(1999 * 9 / 28)}
    for ship in ships:
        await verify(fleet.database, ship)
    standing = await purse.standing()
    spent = 10_000 - standing.balance - standing.due
    assert spent == 12 * (1999 + round(1999 * 9 / 28)) == await purse.operator("revenue")


def _started(work: Any, settings: Settings) -> BaseProcess:
    worker = multiprocessing.get_context("spawn").Process(target=work, args=(settings,), daemon=True)
    worker.start()
    return worker


def _rate(settings: Settings) -> None:
    asyncio.run(rating.rate(Database(use(settings), pool_size=1)))


def _run(settings: Settings) -> None:
    rating.METERS_AT_ONCE, rating.RECORDS_AT_ONCE, rating.CHARGES_AT_ONCE = 5, 150, 20
    run = rating.run(use(settings), Database(settings, pool_size=1), at=MOMENT, silence=timedelta())
    asyncio.run(run)


async def _beyond(connection: asyncpg.Connection, asked: str, before: int) -> int:
    """Waits for the worker to have committed something."""
    async with asyncio.timeout(60):
        while (done := await connection.fetchval(asked) or 0) <= before:
            await asyncio.sleep(0.002)
        return int(done)
