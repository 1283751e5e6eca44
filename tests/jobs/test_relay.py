"""Nothing accepted is lost: the row in `jobs` is the outbox, and the relay reads it until it is final."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from fastapi import FastAPI
from loguru import logger

from backend.database import now
from backend.jobs import queue, relay
from backend.jobs.models import IdempotencyKey, Job
from backend.jobs.publisher import Publisher
from backend.utils.ids import new_id
from tests.jobs.conftest import Bench, nothing

LONG = timedelta(minutes=5)


async def due(bench: Bench) -> list[UUID]:
    return [job_id for job_id, _ in await relay.due(bench.database)]


async def test_what_was_just_published_is_left_alone(bench: Bench) -> None:
    await bench.put()
    assert await due(bench) == []


async def test_what_nobody_picked_up_is_published_again(bench: Bench) -> None:
    job_id = await bench.put()
    await bench.change(job_id, published_at=now() - LONG)
    assert await relay.due(bench.database) == [(job_id, "deploy")]
    # It was given to the broker a moment ago.
    assert await due(bench) == []
    await bench.change(job_id, published_at=now() - LONG)
    assert await due(bench) == [job_id]


async def test_what_was_never_published(bench: Bench) -> None:
    job_id = await bench.put()
    await bench.change(job_id, published_at=None)
    assert await due(bench) == [job_id]


async def test_a_lost_worker_s_job_is_queued_again(bench: Bench) -> None:
    job_id = await bench.put()
    await bench.change(job_id, state="running", attempts=1, fence=1, lease_until=now() - timedelta(seconds=1))
    assert await due(bench) == [job_id]
    job = await bench.row(job_id)
    assert (job.state, job.lease_until) == ("queued", None)
    await bench.run(job_id, nothing)
    job = await bench.row(job_id)
    assert (job.state, job.attempts, job.fence) == ("succeeded", 2, 2)


async def test_a_living_worker_s_job_is_not(bench: Bench) -> None:
    job_id = await bench.put()
    await bench.change(job_id, state="running", lease_until=now() + timedelta(seconds=5))
    assert await due(bench) == []
    assert (await bench.row(job_id)).state == "running"


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
async def test_what_is_final_stays(bench: Bench, state: str) -> None:
    job_id = await bench.put()
    await bench.change(job_id, state=state, published_at=None, lease_until=now() - LONG)
    assert await due(bench) == []
    assert (await bench.row(job_id)).state == state


async def test_many_relays_at_once_publish_each_job_once(bench: Bench) -> None:
    jobs = [await bench.put() for _ in range(30)]
    for job_id in jobs:
        await bench.change(job_id, published_at=None)
    found = await asyncio.gather(*(due(bench) for _ in range(8)))
    assert sorted(job_id for batch in found for job_id in batch) == sorted(jobs)


async def test_idempotency_keys_are_forgotten_after_a_day(bench: Bench) -> None:
    async with bench.database.transaction() as session:
        for key, age in (("new", timedelta(hours=23)), ("old", timedelta(hours=25))):
            session.add(
                IdempotencyKey(
                    id=new_id(), user_id=bench.person.id, key=key, fingerprint="f", created_at=now() - age
                )
            )
    async with bench.database.transaction() as session:
        assert await relay.prune(session) == 1
    async with bench.database.transaction() as session:
        kept = await relay.IdempotencyKeys(session).all(relay.IdempotencyKeys.model.__table__.select())
    assert len(kept) == 1


class TestPublishing:
    """`context.get_session` publishes after the commit, and never without one."""

    @pytest.fixture
    def sent(self, app: FastAPI) -> Iterator[list[UUID]]:
        sent: list[UUID] = []
        original = app.state.parts.publisher
        app.state.parts.publisher = Publisher(lambda task, job_id, queue: sent.append(job_id))
        yield sent
        app.state.parts.publisher = original

    async def test_after_the_commit(self, bench: Bench, sent: list[UUID]) -> None:
        async with bench.database.transaction() as session:
            job = await queue.accept(
                session, "service.deploy", project_id=bench.person.project_id, user_id=bench.person.id
            )
        bench.app.state.parts.publisher.publish_soon(session)
        bench.app.state.parts.publisher.close()
        assert sent == [job.id]
        # Once only, however often it is asked.
        assert session.info == {}

    async def test_a_broker_that_is_away_costs_nothing_but_time(self, bench: Bench) -> None:
        complaints: list[str] = []
        sink = logger.add(complaints.append, level="WARNING", format="{message}")

        def refuse(task: str, job_id: UUID, queue: str) -> None:
            raise ConnectionRefusedError("redis://:a-password@127.0.0.1")

        publisher = Publisher(refuse)
        async with bench.database.transaction() as session:
            job = await queue.accept(
                session, "service.deploy", project_id=bench.person.project_id, user_id=bench.person.id
            )
        publisher.publish_soon(session)
        await asyncio.to_thread(publisher._thread.shutdown, wait=True)
        logger.remove(sink)
        assert any(str(job.id) in line for line in complaints)
        assert not any("a-password" in line for line in complaints)
        # The row is there, so the relay will find it.
        async with bench.database.transaction() as session:
            assert (await session.get(Job, job.id)).state == "queued"
