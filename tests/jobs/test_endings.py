"""How a job ends: classified retries, back-off, cancellation, and exactly one final state."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from backend.database import now
from backend.exceptions import Conflict, NotFound
from backend.jobs import relay, runner
from backend.jobs.runner import BACKOFF, MAX_ATTEMPTS, MAX_RETRIES, UNEXPECTED, Cancelled, Claimed, JobError
from tests.jobs.conftest import KIND, LEASE, SHORT, Bench, nothing, soon


def failing(code: str = "out_of_rope", *, retry: bool = False):  # type: ignore[no-untyped-def]
    async def work(_: Claimed) -> None:
        raise JobError(code, "There is no rope.", retry=retry)

    return work


async def test_what_cannot_succeed_later_fails_at_once(bench: Bench) -> None:
    job_id = await bench.put()
    await bench.run(job_id, failing())
    job = await bench.row(job_id)
    assert (job.state, job.attempts) == ("failed", 1)
    assert (job.error_code, job.error_message) == ("out_of_rope", "There is no rope.")
    assert bench.settled == ["fail out_of_rope"]
    assert job.finished_at is not None


async def test_what_may_succeed_later_is_tried_again_with_growing_pauses(bench: Bench) -> None:
    job_id = await bench.put()
    for attempt in range(1, MAX_RETRIES + 1):
        begin = now()
        assert await bench.run(job_id, failing(retry=True)) is None
        job = await bench.row(job_id)
        assert (job.state, job.attempts, job.finished_at) == ("queued", attempt, None)
        assert job.error_code == "out_of_rope"
        pause = (job.run_at - begin).total_seconds()
        assert BACKOFF[attempt - 1] <= pause < BACKOFF[attempt - 1] + 5
        assert bench.settled == []
        await bench.due_now(job_id)
    await bench.run(job_id, failing(retry=True))
    job = await bench.row(job_id)
    assert (job.state, job.attempts) == ("failed", MAX_RETRIES + 1)
    assert bench.settled == ["fail out_of_rope"]


async def test_a_retry_that_succeeds_leaves_no_error(bench: Bench) -> None:
    job_id = await bench.put()
    await bench.run(job_id, failing(retry=True))
    await bench.due_now(job_id)
    await bench.run(job_id, nothing)
    job = await bench.row(job_id)
    assert (job.state, job.error_code, job.error_message, job.attempts) == ("succeeded", None, None, 2)


async def test_a_back_off_is_not_run_early_but_relayed_when_due(bench: Bench) -> None:
    job_id, began = await bench.put(), now()
    await bench.run(job_id, failing(retry=True))
    assert (await bench.row(job_id)).run_at >= began + timedelta(seconds=BACKOFF[0])
    # However long this machine takes for the rest.
    await bench.change(job_id, run_at=now() + timedelta(hours=1))
    assert await relay.due(bench.database) == []
    await bench.run(job_id, nothing)
    assert (await bench.row(job_id)).state == "queued"
    await bench.due_now(job_id)
    assert [found for found, _ in await relay.due(bench.database)] == [job_id]


async def test_a_bug_is_told_without_its_details(bench: Bench) -> None:
    job_id = await bench.put()

    async def work(_: Claimed) -> None:
        raise KeyError("the password is hunter2")

    for _ in range(MAX_RETRIES + 1):
        await bench.run(job_id, work)
        await bench.due_now(job_id)
    job = await bench.row(job_id)
    assert (job.state, job.error_code, job.error_message) == ("failed", "internal_error", UNEXPECTED)


async def test_a_job_that_takes_its_worker_down_each_time_ends_too(bench: Bench) -> None:
    job_id = await bench.put()
    await bench.change(job_id, attempts=MAX_ATTEMPTS)

    async def never(_: Claimed) -> None:
        raise AssertionError

    await bench.run(job_id, never)
    job = await bench.row(job_id)
    assert (job.state, job.error_code) == ("failed", "internal_error")
    assert bench.settled == ["fail internal_error"]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        DBAPIError("SELECT 1", {}, asyncpg.CannotConnectNowError()),  # type: ignore[arg-type]
        asyncpg.InternalClientError("cannot switch to state 12"),
    ],
    ids=["refused", "starting", "cut off"],
)
async def test_a_database_that_is_away_ends_nothing(bench: Bench, error: Exception) -> None:
    """The lease runs out, and the relay hands the job out again."""
    job_id = await bench.put()

    async def work(_: Claimed) -> None:
        raise error

    with pytest.raises(type(error)):
        await bench.run(job_id, work)
    job = await bench.row(job_id)
    assert (job.state, job.finished_at) == ("running", None)
    assert bench.settled == []
    await bench.change(job_id, lease_until=now() - timedelta(seconds=1))
    assert [found for found, _ in await relay.due(bench.database)] == [job_id]
    await bench.run(job_id, nothing)
    assert (await bench.row(job_id)).state == "succeeded"


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        PermissionError(13, "Permission denied", "/somewhere"),
        TimeoutError(),
        DBAPIError("INSERT", {}, asyncpg.UniqueViolationError("twice")),  # type: ignore[arg-type]
    ],
    ids=["full", "forbidden", "timeout", "twice"],
)
async def test_what_looks_like_it_is_told(bench: Bench, error: Exception) -> None:
    """Tried again with pauses, then failed: not left to the lease, which would take it for a crash."""
    job_id = await bench.put()

    async def work(_: Claimed) -> None:
        raise error

    for _ in range(MAX_RETRIES + 1):
        await bench.run(job_id, work)
        await bench.due_now(job_id)
    job = await bench.row(job_id)
    assert (job.state, job.error_code, job.error_message) == ("failed", "internal_error", UNEXPECTED)
    assert bench.settled == ["fail internal_error"]


async def test_a_failure_that_cannot_be_settled_is_a_failure_all_the_same(bench: Bench) -> None:
    job_id = await bench.put()

    async def fail(_: Claimed, error: JobError) -> bool:
        raise ValueError(error.code)

    kind = runner.Kind(failing(), fail)
    await runner.run(job_id, bench.database, {KIND: kind}, LEASE)
    job = await bench.row(job_id)
    assert (job.state, job.error_code) == ("failed", "out_of_rope")


async def test_what_was_done_before_it_failed_has_succeeded(bench: Bench) -> None:
    job_id = await bench.put()
    kind = bench.kind(failing(), done_before=True)
    await runner.run(job_id, bench.database, {KIND: kind}, LEASE)
    job = await bench.row(job_id)
    assert (job.state, job.error_code, job.progress) == ("succeeded", None, 100)


async def test_a_statement_of_the_work_is_rolled_back_with_its_transaction(bench: Bench) -> None:
    job_id = await bench.put()

    async def work(job: Claimed) -> None:
        async with job.transaction(step="building", progress=30) as session:
            await session.execute(text("UPDATE jobs SET kind = 'a.lie' WHERE id = :id"), {"id": job.id})
            raise JobError("out_of_rope", "There is no rope.")

    await bench.run(job_id, work)
    job = await bench.row(job_id)
    assert (job.kind, job.step, job.state) == (KIND, None, "failed")


class TestCancel:
    async def test_before_it_began(self, bench: Bench) -> None:
        job_id = await bench.put()
        job = await bench.cancel(job_id)
        assert (job.state, job.attempts) == ("cancelled", 0)
        assert job.finished_at is not None

        async def never(_: Claimed) -> None:
            raise AssertionError

        await bench.run(job_id, never)
        assert (await bench.row(job_id)).state == "cancelled"

    async def test_while_it_runs(self, bench: Bench) -> None:
        job_id = await bench.put()
        started, ended = asyncio.Event(), asyncio.Event()

        async def work(_: Claimed) -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        running = asyncio.create_task(bench.run(job_id, work, lease=SHORT))
        await started.wait()
        asked = await bench.cancel(job_id)
        assert (asked.state, asked.finished_at) == ("running", None)
        async with asyncio.timeout(30):
            await running
        assert ended.is_set()
        assert bench.settled == ["cancel"]
        assert (await bench.row(job_id)).state == "cancelled"

    async def test_that_came_too_late(self, bench: Bench) -> None:
        """The work was done when the request was seen: the job says what is true."""
        job_id = await bench.put()

        async def work(_: Claimed) -> None:
            raise Cancelled

        await runner.run(job_id, bench.database, {KIND: bench.kind(work, done_before=True)}, LEASE)
        assert (await bench.row(job_id)).state == "succeeded"

    async def test_between_two_attempts(self, bench: Bench) -> None:
        """It has begun, so somebody has to clean up; but at once, not when the pause is over."""
        job_id = await bench.put()
        await bench.run(job_id, failing(retry=True))
        assert (await bench.cancel(job_id)).state == "queued"
        assert [found for found, _ in await relay.due(bench.database)] == [job_id]
        await bench.run(job_id, nothing)
        assert (await bench.row(job_id)).state == "cancelled"
        assert bench.settled == ["cancel"]

    async def test_while_its_worker_is_dead(self, bench: Bench) -> None:
        job_id = await bench.put()
        await bench.change(
            job_id, state="running", attempts=1, fence=1, lease_until=now() - timedelta(seconds=1)
        )
        await bench.cancel(job_id)
        assert [found for found, _ in await relay.due(bench.database)] == [job_id]
        await bench.run(job_id, nothing)
        assert (await bench.row(job_id)).state == "cancelled"

    async def test_what_has_ended(self, bench: Bench) -> None:
        job_id = await bench.put()
        await bench.run(job_id, nothing)
        with pytest.raises(Conflict) as refused:
            await bench.cancel(job_id)
        assert refused.value.code == "job_ended"
        with pytest.raises(NotFound):
            await bench.cancel(UUID(int=1))

    async def test_twice(self, bench: Bench) -> None:
        job_id = await bench.put()
        started = asyncio.Event()

        async def work(_: Claimed) -> None:
            started.set()
            await asyncio.Event().wait()

        running = asyncio.create_task(bench.run(job_id, work, lease=timedelta(seconds=4)))
        await started.wait()
        await bench.cancel(job_id)
        with pytest.raises(Conflict):
            await bench.cancel(job_id)
        await running

    @pytest.mark.parametrize("kind", ["service.stop", "service.start", "service.restart"])
    async def test_operations_only_while_they_wait(self, bench: Bench, kind: str) -> None:
        waiting, running = await bench.put(kind=kind), await bench.put(kind=kind)
        await bench.change(running, state="running", attempts=1)
        assert (await bench.cancel(waiting)).state == "cancelled"
        with pytest.raises(Conflict) as refused:
            await bench.cancel(running)
        assert refused.value.code == "job_not_cancellable"

    async def test_a_deletion_never(self, bench: Bench) -> None:
        with pytest.raises(Conflict):
            await bench.cancel(await bench.put(kind="service.delete"))

    async def test_against_the_end(self, bench: Bench) -> None:
        """Many times at once: the row's lock lets one of them be first, and both tell the same story."""

        async def one() -> None:
            # Of a kind whose turn is its own.
            job_id = await bench.put(kind="service.rollback")
            running = bench.run(job_id, nothing, lease=SHORT, kind="service.rollback")
            outcomes = await asyncio.gather(running, bench.cancel(job_id), return_exceptions=True)
            job = await bench.row(job_id)
            assert job.state in ("succeeded", "cancelled")
            refused = isinstance(outcomes[1], Conflict)
            if refused:
                assert job.state == "succeeded"
            if job.state == "cancelled":
                assert not refused

        await asyncio.gather(*(one() for _ in range(8)))


async def test_progress_is_seen_while_it_runs(bench: Bench) -> None:
    job_id = await bench.put()
    go_on = asyncio.Event()

    async def work(job: Claimed) -> None:
        await job.progress("building", 30)
        await go_on.wait()

    running = asyncio.create_task(bench.run(job_id, work))

    async def seen() -> bool:
        job = await bench.row(job_id)
        return (job.step, job.progress, job.state) == ("building", 30, "running")

    await soon(seen)
    go_on.set()
    await running
