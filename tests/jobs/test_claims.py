"""One worker at a time has a job, and one job at a time has a service."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from backend.database import now
from backend.jobs import relay, runner
from backend.jobs.dao import JobDAO
from backend.jobs.models import Job
from backend.jobs.runner import Claimed, LeaseLost
from tests.jobs.conftest import KIND, LEASE, SHORT, Bench, nothing, soon

AT_ONCE = 20


async def test_of_many_claims_one_wins(bench: Bench) -> None:
    job_id, ran = await bench.put(), 0

    async def work(_: Claimed) -> None:
        nonlocal ran
        ran += 1
        await asyncio.sleep(0.05)

    await asyncio.gather(*(bench.run(job_id, work) for _ in range(AT_ONCE)))
    job = await bench.row(job_id)
    assert ran == 1
    assert (job.state, job.attempts, job.fence, job.progress) == ("succeeded", 1, 1, 100)
    assert job.lease_until is None
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.started_at <= job.finished_at


async def test_a_final_job_is_not_run_again(bench: Bench) -> None:
    job_id = await bench.put()
    await bench.run(job_id, nothing)
    before = await bench.row(job_id)

    async def never(_: Claimed) -> None:
        raise AssertionError

    assert await bench.run(job_id, never) is None
    after = await bench.row(job_id)
    assert (after.attempts, after.finished_at) == (before.attempts, before.finished_at)


async def test_a_job_is_not_run_before_it_is_due(bench: Bench) -> None:
    job_id = await bench.put()
    await bench.change(job_id, run_at=now() + timedelta(minutes=1))
    await bench.run(job_id, nothing)
    assert (await bench.row(job_id)).state == "queued"


async def test_an_unknown_job_is_no_error(bench: Bench) -> None:
    assert await bench.run(UUID(int=1), nothing) is None


async def test_jobs_of_a_service_run_one_after_another_in_order(bench: Bench) -> None:
    service = await bench.service()
    jobs = [await bench.put(service) for _ in range(6)]
    ran: list[UUID] = []
    inside = 0

    async def work(job: Claimed) -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        await asyncio.sleep(0.01)
        ran.append(job.id)
        inside -= 1

    async def follow(job_id: UUID) -> None:
        """As the task does: what waited for the one that ended is run next."""
        waiting: runner.Waiting | None = (job_id, "deploy")
        while waiting is not None:
            waiting = await bench.run(waiting[0], work)

    await asyncio.gather(*(follow(job_id) for job_id in reversed(jobs)))
    assert ran == jobs


async def test_jobs_of_different_services_run_side_by_side(bench: Bench) -> None:
    first, second = [await bench.put(await bench.service()) for _ in range(2)]
    both = asyncio.Barrier(2)

    async def work(_: Claimed) -> None:
        await both.wait()

    async with asyncio.timeout(30):
        await asyncio.gather(bench.run(first, work), bench.run(second, work))


async def test_two_claims_of_one_service_at_the_same_instant(bench: Bench) -> None:
    """Past the look at the others there is still the index: of two running jobs one is refused."""
    service = await bench.service()
    first, second = await bench.put(service), await bench.put(service)
    # The older one is not in the way of the younger, and neither sees the other running.
    await bench.change(first, run_at=now() + timedelta(hours=1))
    async with bench.database.transaction() as session:
        job = await session.get(Job, first)
        assert job is not None
        job.state = "running"
        await session.flush()
        claiming = asyncio.create_task(bench.run(second, nothing))
        await asyncio.sleep(0.1)
    await claiming
    assert (await bench.row(second)).state == "queued"


class TestFence:
    async def test_a_worker_that_lost_its_lease_writes_nothing(self, bench: Bench) -> None:
        job_id = await bench.put()
        stale: list[Claimed] = []

        async def hold(job: Claimed) -> None:
            stale.append(job)

        await bench.run(job_id, hold)
        await bench.change(job_id, state="running", lease_until=now() - timedelta(seconds=1))
        assert [found for found, _ in await relay.due(bench.database)] == [job_id]
        again: list[Claimed] = []

        async def check(job: Claimed) -> None:
            again.append(job)
            with pytest.raises(LeaseLost):
                await stale[0].progress("building", 50)
            with pytest.raises(LeaseLost):
                async with stale[0].transaction() as session:
                    # Rolled back with the rest.
                    (await session.get(Job, job_id)).step = "written by a ghost"
            await job.progress("checking", 80)

        await bench.run(job_id, check)
        job = await bench.row(job_id)
        assert again[0].fence > stale[0].fence
        assert (job.state, job.step, job.attempts) == ("succeeded", "checking", 2)

    async def test_work_ends_when_the_lease_is_lost(self, bench: Bench) -> None:
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
        # Another worker took it over.
        job = await bench.row(job_id)
        await bench.change(job_id, fence=job.fence + 1)
        async with asyncio.timeout(30):
            await running
        assert ended.is_set()
        assert bench.settled == []
        assert (await bench.row(job_id)).state == "running"

    async def test_the_lease_is_kept_for_as_long_as_the_work_takes(self, bench: Bench) -> None:
        job_id = await bench.put()
        go_on = asyncio.Event()

        async def work(_: Claimed) -> None:
            await go_on.wait()

        running = asyncio.create_task(bench.run(job_id, work, lease=SHORT))
        begin = now()

        async def outlived() -> bool:
            job = await bench.row(job_id)
            return job.lease_until is not None and job.lease_until > begin + 4 * SHORT

        await soon(outlived)
        assert await relay.due(bench.database) == []
        go_on.set()
        await running
        assert (await bench.row(job_id)).attempts == 1

    async def test_a_handler_that_ends_after_the_lease_was_lost_changes_nothing(self, bench: Bench) -> None:
        job_id = await bench.put()

        async def work(job: Claimed) -> None:
            await bench.change(job.id, fence=job.fence + 1)

        await bench.run(job_id, work)
        job = await bench.row(job_id)
        assert (job.state, job.finished_at) == ("running", None)


async def test_a_claim_that_was_not_committed_leaves_the_job(bench: Bench) -> None:
    """What a killed worker had not committed never was."""
    job_id = await bench.put()
    async with bench.database.session() as session:
        assert await JobDAO(session).claim(job_id, LEASE) is not None
    job = await bench.row(job_id)
    assert (job.state, job.attempts, job.kind) == ("queued", 0, KIND)
