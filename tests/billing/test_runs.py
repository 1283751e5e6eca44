"""Runs of billing's periodic tasks: one of a kind, seen at work, taken over when the worker is gone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from backend.billing.runs import progress
from backend.billing.runs.models import BillingRun
from backend.billing.runs.progress import KEPT, RunLost, begin
from backend.database import Database, now


async def runs(database: Database) -> list[BillingRun]:
    async with database.transaction() as session:
        return list(await session.scalars(select(BillingRun).order_by(BillingRun.started_at)))


async def test_it_says_how_far_it_is(database: Database) -> None:
    async with begin(database, "invoicing", period="2026-10") as run:
        assert run
        await run.say("issuing", 40, invoices=3, letters=0)
        await run.say("issuing", 140, invoices=2)
        (seen,) = await runs(database)
        assert (seen.state, seen.step, seen.progress, seen.counts) == (
            "running",
            "issuing",
            100,
            {"invoices": 5},
        )
    (seen,) = await runs(database)
    assert (seen.state, seen.step, seen.period) == ("succeeded", None, "2026-10")
    assert seen.finished_at


async def test_one_of_a_kind(database: Database) -> None:
    async with begin(database, "rating") as first, begin(database, "rating") as second:
        assert first
        assert second is None
        async with begin(database, "dunning") as other:
            assert other


async def test_an_error_is_told_and_raised(database: Database) -> None:
    async def fail() -> None:
        async with begin(database, "rating") as run:
            assert run
            await run.say("rating", 50, rated=7)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    (seen,) = await runs(database)
    assert (seen.state, seen.progress, seen.counts) == ("failed", 50, {"rated": 7})
    assert seen.error
    assert "Zero" not in seen.error
    async with begin(database, "rating") as run:
        assert run


async def test_a_silent_one_is_taken_over(database: Database) -> None:
    """And if it was not dead, it writes nothing any more."""
    silent = begin(database, "rating")
    lost = await silent.__aenter__()
    assert lost
    async with begin(database, "rating", silence=timedelta()) as run:
        assert run
        with pytest.raises(RunLost):
            await lost.say("rating", 10)
    await silent.__aexit__(None, None, None)
    assert [one.state for one in await runs(database)] == ["interrupted", "succeeded"]


async def test_of_empty_runs_the_last_is_kept(database: Database) -> None:
    for done in (0, 3, 0, 0):
        async with begin(database, "payments") as run:
            assert run
            await run.say("polling", 50, payments=done)
    assert [one.counts for one in await runs(database)] == [{"payments": 3}, {}]


async def test_old_ones_are_forgotten(database: Database) -> None:
    async with begin(database, "rating") as run:
        assert run
        await run.say("rating", 50, rated=1)
    async with database.transaction() as session:
        assert await progress.prune(session) == 0
        (seen,) = await session.scalars(select(BillingRun))
        seen.started_at = now() - KEPT - timedelta(hours=1)
    async with database.transaction() as session:
        assert await progress.prune(session) == 1
