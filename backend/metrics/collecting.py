"""Looking at all units every few seconds, and making sparse samples of dense ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.database import Database, now
from backend.engines.base import Engine, EngineError, UnitStats
from backend.metrics.dao import Key, MetricDAO
from backend.metrics.models import COARSE, FINE, MIDDLE, MetricCounter

LOCK = "metrics.collect"
LONGEST_GAP = 120.0
"""Seconds. A rate over more than this says nothing of the moment it is written at."""
Row = dict[str, Any]


async def collect(database: Database, engine: Engine) -> int:
    """One round; how many units were seen. A round that another process is at is not done twice."""
    if "metrics" not in engine.abilities:
        return 0
    try:
        stats = await engine.stats()
    except EngineError as error:
        logger.warning("nothing is measured: {}", error.message)
        return 0
    async with database.transaction() as session:
        if not await MetricDAO(session).try_lock(LOCK):
            return 0
        await store(session, stats, now())
        await roll_up(session, now())
    return len(stats)


async def store(session: AsyncSession, stats: Sequence[UnitStats], at: datetime) -> None:
    """Write a round down, with rates since the round before."""
    dao = MetricDAO(session)
    known = await dao.existing({UUID(one.service_id) for one in stats})
    stats = [one for one in stats if UUID(one.service_id) in known]
    before = await dao.counters({UUID(one.deployment_id) for one in stats})
    series = await dao.series(sorted({_series(one) for one in stats}))
    samples: dict[int, Row] = {}
    for one in stats:
        key = series[_series(one)]
        sample = _sample(one, before.get(_unit(one)), at)
        # While one release takes over from another there are two of a unit.
        samples[key] = _together(samples[key], sample) if key in samples else sample
    moment = floor(at, FINE)
    await dao.put_samples(
        [{"series_id": key, "step": FINE, "at": moment, **sample} for key, sample in samples.items()]
    )
    await dao.note_counters([_counter(one, at) for one in stats])


async def roll_up(session: AsyncSession, at: datetime) -> None:
    """Make what is due since the last time, however long ago: nothing is made twice."""
    dao = MetricDAO(session)
    for step, source in ((MIDDLE, FINE), (COARSE, MIDDLE)):
        last = await dao.newest(step)
        since = last + timedelta(seconds=step) if last is not None else await dao.oldest(source)
        # A step is whole once all that it is made of is: those of the steps below come first.
        until = floor(at, step)
        if since is not None and since < until:
            await dao.roll_up(step, floor(since, step), until)


def floor(at: datetime, step: int) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // step * step, UTC)


def _series(one: UnitStats) -> Key:
    return UUID(one.service_id), one.process, one.replica


def _unit(one: UnitStats) -> Key:
    return UUID(one.deployment_id), one.process, one.replica


def _sample(one: UnitStats, before: MetricCounter | None, at: datetime) -> Row:
    seconds = (at - before.at).total_seconds() if before is not None else 0.0
    cpu = received = sent = None
    if before is not None and before.life == one.life and 0 < seconds <= LONGEST_GAP:
        cpu = max(0.0, one.cpu_seconds - before.cpu_seconds) / seconds * 1000
        received = _rate(one.received_bytes, before.received_bytes, seconds)
        sent = _rate(one.sent_bytes, before.sent_bytes, seconds)
    return {
        "cpu_millis": cpu,
        "cpu_peak": cpu,
        "memory_bytes": one.memory_bytes,
        "memory_peak": one.memory_bytes,
        "memory_limit": one.memory_limit,
        "received": received,
        "sent": sent,
    }


def _rate(count: int | None, before: int | None, seconds: float) -> float | None:
    return None if count is None or before is None else max(0, count - before) / seconds


def _together(one: Row, other: Row) -> Row:
    def both(name: str) -> Any:
        values = [sample[name] for sample in (one, other) if sample[name] is not None]
        return sum(values) if values else None

    return {name: both(name) for name in one} | {"memory_limit": one["memory_limit"] or other["memory_limit"]}


def _counter(one: UnitStats, at: datetime) -> Row:
    return {
        "deployment_id": UUID(one.deployment_id),
        "process": one.process,
        "replica": one.replica,
        "life": one.life,
        "at": at,
        "cpu_seconds": one.cpu_seconds,
        "received_bytes": one.received_bytes,
        "sent_bytes": one.sent_bytes,
    }
