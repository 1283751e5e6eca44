"""Samples: rates, one row for each moment, sparser ones later, some hundred points for any range."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from backend.database import Database, now
from backend.engines.base import EngineError, UnitStats
from backend.metrics import collecting, retention
from backend.metrics.models import COARSE, FINE, MIDDLE, MetricCounter, MetricSample, MetricSeries
from backend.services.models import Service
from tests.looking.conftest import Told
from tests.services.releases import Harbour
from tests.support.people import UserFactory

MIB = 2**20
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def used(harbour: Harbour, live_id: UUID, cpu: float, memory: int = 64 * MIB, **more: Any) -> UnitStats:
    values: dict[str, Any] = {
        "deployment_id": str(live_id),
        "service_id": str(harbour.service_id),
        "process": "web",
        "replica": 1,
        "life": "1",
        "memory_limit": 256 * MIB,
        "received_bytes": int(cpu * 1000),
        "sent_bytes": int(cpu * 2000),
        **more,
    }
    return UnitStats(cpu_seconds=cpu, memory_bytes=memory, **values)


async def samples(database: Database, step: int) -> Sequence[MetricSample]:
    async with database.transaction() as session:
        wanted = select(MetricSample).where(MetricSample.step == step).order_by(MetricSample.at)
        return (await session.execute(wanted)).scalars().all()


async def store(database: Database, stats: list[UnitStats], at: datetime) -> None:
    async with database.transaction() as session:
        await collecting.store(session, stats, at)
        await collecting.roll_up(session, at)


async def test_rates_come_of_two_rounds_of_the_same_life(
    harbour: Harbour, live_id: UUID, database: Database
) -> None:
    await store(database, [used(harbour, live_id, 10)], START)
    await store(database, [used(harbour, live_id, 13)], START + timedelta(seconds=15))
    # It was restarted: another life counts from zero.
    await store(database, [used(harbour, live_id, 1, life="2")], START + timedelta(seconds=30))
    # The panel was away: an average over an hour says nothing of a quarter of a minute.
    await store(database, [used(harbour, live_id, 90, life="2")], START + timedelta(hours=1))
    found = [(one.cpu_millis, one.received, one.sent) for one in await samples(database, FINE)]
    assert found == [(None,) * 3, (200, 200, 400), (None,) * 3, (None,) * 3]


async def test_a_moment_is_written_once_and_two_releases_of_a_unit_are_added(
    harbour: Harbour, live_id: UUID, database: Database
) -> None:
    other = uuid4()
    both = [used(harbour, live_id, 1), used(harbour, other, 5, memory=32 * MIB, received_bytes=None)]
    await store(database, both, START)
    await store(database, both, START + timedelta(seconds=2))
    (sample,) = await samples(database, FINE)
    assert sample.memory_bytes == 96 * MIB
    assert sample.at == START


async def test_what_is_not_kept_leaves_no_trace(harbour: Harbour, live_id: UUID, database: Database) -> None:
    await store(database, [used(harbour, live_id, 1, service_id=str(uuid4()))], START)
    async with database.transaction() as session:
        await session.execute(update(Service).values(deleted_at=now()))
    await store(database, [used(harbour, live_id, 1)], START)
    assert await samples(database, FINE) == []


async def test_sparse_samples_are_made_once_also_after_a_pause(
    harbour: Harbour, live_id: UUID, database: Database
) -> None:
    for number in range(2 * 240 + 1):
        at = START + timedelta(seconds=15 * number)
        memory = (100 if number == 7 else 50) * MIB
        async with database.transaction() as session:
            await collecting.store(session, [used(harbour, live_id, number * 1.5, memory)], at)
    # Two hours that nobody rolled up, by two at once.
    end = START + timedelta(seconds=15 * 480)

    async def roll() -> None:
        async with database.transaction() as session:
            await collecting.roll_up(session, end)

    await asyncio.gather(roll(), roll())
    await roll()
    middle, coarse = await samples(database, MIDDLE), await samples(database, COARSE)
    assert [len(middle), len(coarse)] == [24, 2]
    assert [one.at for one in coarse] == [START, START + timedelta(hours=1)]
    assert coarse[0].memory_peak == 100 * MIB
    assert coarse[1].memory_peak == 50 * MIB
    assert coarse[0].cpu_millis == pytest.approx(100)
    assert 50 * MIB < middle[0].memory_bytes < 60 * MIB


async def test_old_samples_go_and_so_does_what_is_about_nothing(
    harbour: Harbour, live_id: UUID, database: Database
) -> None:
    ages = {FINE: (0.9, 1.1), MIDDLE: (6.9, 7.1), COARSE: (89, 91)}
    await store(database, [used(harbour, live_id, 1)], now() - timedelta(hours=2))
    async with database.transaction() as session:
        (series_id,) = (await session.execute(select(MetricSeries.id))).scalars()
        for step, days in ages.items():
            for age in days:
                at = now() - timedelta(days=age)
                session.add(
                    MetricSample(series_id=series_id, step=step, at=at, memory_bytes=1, memory_peak=1)
                )
    async with database.transaction() as session:
        # Three samples, and the counters of two hours ago.
        assert await retention.prune(session) == 4
    assert [len(await samples(database, step)) for step in ages] == [2, 1, 1]
    async with database.transaction() as session:
        assert (await session.execute(select(func.count()).select_from(MetricCounter))).scalar() == 0


async def test_any_range_has_some_hundred_points(harbour: Harbour, live_id: UUID, database: Database) -> None:
    two = [used(harbour, live_id, 0), used(harbour, live_id, 0, process="worker", replica=2)]
    for number in range(5):
        stats = [
            used(harbour, live_id, number * 3.0),
            used(harbour, live_id, number * 1.5, process="worker", replica=2, received_bytes=None),
        ]
        await store(database, stats, now() - timedelta(seconds=15 * (4 - number)))
    for wanted in ("1h", "24h", "7d", "90d"):
        answer = await harbour.ask("GET", f"/services/{harbour.service_id}/metrics?range={wanted}")
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert 200 < len(body["at"]) < 400
        assert all(
            len(one[name]) == len(body["at"]) for one in body["series"] for name in ("cpu_peak", "sent")
        )
    url = f"/services/{harbour.service_id}/metrics"
    together = (await harbour.ask("GET", f"{url}?range=1h")).json()
    apart = (await harbour.ask("GET", f"{url}?range=1h&by=unit")).json()
    assert [(one["process"], one["replica"]) for one in apart["series"]] == [("web", 1), ("worker", 2)]
    assert [one["process"] for one in together["series"]] == [None]
    assert max(value for value in together["series"][0]["cpu_millis"] if value) == pytest.approx(300, rel=0.1)
    assert [(one["process"], one["replica"]) for one in apart["now"]] == [("web", 1), ("worker", 2)]
    assert apart["limits"]["memory_bytes"] > 0
    assert len(two) == 2


@pytest.mark.parametrize("query", ["range=1y", "range=", "by=replica", "range=1h&by=", "range=%00"])
async def test_nonsense_is_refused(harbour: Harbour, query: str) -> None:
    answer = await harbour.ask("GET", f"/services/{harbour.service_id}/metrics?{query}")
    assert answer.status_code == 422


async def test_an_engine_that_cannot_measure(harbour: Harbour, engine: Told, database: Database) -> None:
    engine.trouble = EngineError("engine_unavailable", "It is away.")
    assert await collecting.collect(database, engine) == 0  # type: ignore[arg-type]
    engine.abilities = frozenset()
    answer = await harbour.ask("GET", f"/services/{harbour.service_id}/metrics")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_supported_here")


async def test_the_operator_sees_the_sum_and_who_takes_most(
    harbour: Harbour, live_id: UUID, engine: Told, database: Database, user_factory: UserFactory
) -> None:
    administrator = await user_factory(roles=("user", "admin"))
    ask = harbour.client.get
    empty = (await ask("/api/v1/admin/metrics", headers=administrator.headers)).json()
    assert (empty["services"], empty["by_memory"]) == (0, [])
    engine.units = [used(harbour, live_id, 1), used(harbour, live_id, 1, replica=2)]
    assert await collecting.collect(database, engine) == 2  # type: ignore[arg-type]
    found = (await ask("/api/v1/admin/metrics", headers=administrator.headers)).json()
    assert (found["services"], found["units"], found["memory_bytes"]) == (1, 2, 128 * MIB)
    assert [one["service_id"] for one in found["by_memory"]] == [str(harbour.service_id)]
