"""Due times are claimed once, runs follow one another as the job's policy says, and their ends are true."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from backend.cronjobs import keeping
from backend.engines.base import EngineError, Retry, TaskResult
from backend.engines.tasks import LOST
from backend.jobs import relay
from tests.cronjobs.conftest import Pier, eventually

NOW = datetime(2027, 6, 1, 12, 0, 2, tzinfo=UTC)
DUE = NOW.replace(second=0)
MINUTE = timedelta(minutes=1)


async def test_a_time_is_run_once_however_many_look(pier: Pier) -> None:
    job = await pier.add(command="print ahoy\nprint there")
    await pier.due(job, DUE)
    await asyncio.gather(*(pier.tick(NOW) for _ in range(4)))
    await pier.work()
    [run] = await pier.runs(job)
    assert (run["state"], run["exit_code"], run["trigger"]) == ("succeeded", 0, "schedule")
    assert datetime.fromisoformat(run["scheduled_for"]) == DUE
    assert run["release"]["number"] == 1
    log = await pier.got(f"/cron-runs/{run['id']}/log")
    assert [line["text"] for line in log["lines"]] == ["ahoy", "there"]
    assert log["finished"] is True
    assert pier.engine.begun == pier.engine.stopped == [run["id"]]
    shown = await pier.got(f"/cron-jobs/{job['id']}")
    assert shown["last_run"]["id"] == run["id"]
    assert datetime.fromisoformat(shown["next_run_at"]) == DUE + MINUTE
    # Somebody's clock is behind: that time is over.
    await pier.due(job, DUE)
    await pier.tick(NOW)
    assert len(await pier.runs(job)) == 1
    # Nothing of it is in the list of jobs, which it would fill.
    jobs = await pier.got("/jobs?size=100")
    assert "cron.run" not in {one["kind"] for one in jobs["items"]}


@pytest.mark.parametrize(("catch_up", "state"), [(False, "skipped"), (True, "queued")])
async def test_a_day_down_is_made_up_for_at_most_once(pier: Pier, catch_up: bool, state: str) -> None:
    job = await pier.add(schedule="0 */4 * * *", catch_up=catch_up)
    await pier.due(job, DUE - timedelta(days=1))
    await pier.tick(NOW + timedelta(hours=1))
    [run] = await pier.runs(job)
    assert run["state"] == state
    assert datetime.fromisoformat(run["scheduled_for"]) == DUE
    assert run["reason_code"] == (None if catch_up else "cron_missed")


async def test_what_was_due_a_moment_ago_is_not_missed(pier: Pier) -> None:
    job = await pier.add()
    await pier.due(job, DUE - timedelta(days=1))
    await pier.tick(NOW)
    assert await pier.states(job) == ["queued"]


async def test_overlap_skip(pier: Pier) -> None:
    job = await pier.add(overlap="skip")
    for minute in range(2):
        await pier.due(job, DUE + minute * MINUTE)
        await pier.tick(NOW + minute * MINUTE)
    assert await pier.states(job) == ["skipped", "queued"]
    assert (await pier.runs(job))[0]["reason_code"] == "cron_overlap"
    answer = await pier.ask("POST", f"/cron-jobs/{job['id']}/runs")
    assert (answer.status_code, answer.json()["code"]) == (409, "cron_overlap")


async def test_overlap_queue_one_after_the_other_and_not_without_end(pier: Pier) -> None:
    job = await pier.add(overlap="queue", command="wait")
    for minute in range(14):
        await pier.due(job, DUE + minute * MINUTE)
        await pier.tick(NOW + minute * MINUTE)
    assert len(await pier.queued()) == 1
    states = await pier.states(job)
    assert (states.count("skipped"), states.count("queued")) == (3, 11)
    pier.engine.release.set()
    await pier.work()
    assert (await pier.states(job)).count("succeeded") == 11
    assert pier.engine.begun == [run["id"] for run in reversed(await pier.runs(job)) if run["exit_code"] == 0]


async def test_overlap_replace(pier: Pier) -> None:
    job = await pier.add(overlap="replace", command="wait")
    await pier.due(job, DUE)
    await pier.tick(NOW)
    [first] = await pier.queued()
    working = asyncio.create_task(pier.work_on(first))

    async def runs() -> bool:
        return await pier.states(job) == ["running"]

    await eventually(runs)
    await pier.due(job, DUE + MINUTE)
    await pier.tick(NOW + MINUTE)
    assert await pier.states(job) == ["queued", "running"]
    await working
    assert await pier.states(job) == ["queued", "cancelled"]
    assert (await pier.runs(job))[1]["reason_code"] == "cron_replaced"
    pier.engine.release.set()
    await pier.work()
    assert await pier.states(job) == ["succeeded", "cancelled"]


async def test_a_project_has_so_many_runs_at_once_and_the_oldest_first(pier: Pier) -> None:
    jobs = [await pier.add(name=f"Job {number}") for number in range(4)]
    for number, job in enumerate(jobs):
        await pier.due(job, DUE - timedelta(seconds=number))
    await pier.tick(NOW, cron_runs_per_project=3)
    assert len(await pier.queued()) == 3
    await pier.tick(NOW, cron_runs_per_project=3)
    assert len(await pier.queued()) == 3
    await pier.work()
    assert [await pier.states(job) for job in jobs] == [["succeeded"]] * 4


@pytest.mark.parametrize(
    "change",
    ["desired = 'stopped'", "suspended_at = now()", "live_deployment_id = NULL", "status = 'deleting'"],
)
async def test_who_stands_still_runs_nothing(pier: Pier, change: str) -> None:
    job = await pier.add()
    await pier.due(job, DUE)
    async with pier.database.transaction() as session:
        await session.execute(text(f"UPDATE services SET {change}"))
    await pier.tick(NOW)
    assert await pier.states(job) == []
    answer = await pier.ask("POST", f"/cron-jobs/{job['id']}/runs")
    assert answer.status_code == 409
    shown = await pier.got(f"/cron-jobs/{job['id']}")
    assert datetime.fromisoformat(shown["next_run_at"]) == DUE + MINUTE


async def test_a_service_that_is_stopped_ends_what_runs(pier: Pier) -> None:
    job = await pier.add(command="wait")
    await pier.due(job, DUE)
    await pier.tick(NOW)
    working = asyncio.create_task(pier.work())

    async def runs() -> bool:
        return await pier.states(job) == ["running"]

    await eventually(runs)
    async with pier.database.transaction() as session:
        await session.execute(text("UPDATE services SET desired = 'stopped'"))
    await pier.tick(NOW)
    await working
    [run] = await pier.runs(job)
    assert (run["state"], run["reason_code"]) == ("cancelled", "cron_service_stopped")
    assert pier.engine.stopped == [run["id"]]


async def test_a_worker_that_dies_leaves_it_to_the_next(pier: Pier) -> None:
    job = await pier.add(command="print once\nwait\nprint twice")
    await pier.due(job, DUE)
    await pier.tick(NOW)
    [job_id] = await pier.queued()
    dying = asyncio.create_task(pier.work_on(job_id))

    async def printed() -> bool:
        runs = await pier.runs(job)
        return bool((await pier.got(f"/cron-runs/{runs[0]['id']}/log"))["lines"])

    await eventually(printed)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    assert await pier.states(job) == ["running"]
    async with pier.database.transaction() as session:
        await session.execute(text("UPDATE jobs SET lease_until = now() - interval '1 second'"))
    assert job_id in [one for one, _ in await relay.due(pier.database)]
    pier.engine.release.set()
    await pier.work()
    [run] = await pier.runs(job)
    assert run["state"] == "succeeded"
    assert pier.engine.begun == [run["id"]]


async def test_ends_and_letters(pier: Pier) -> None:
    job = await pier.add(command="exit 3")

    async def once(minute: int, result: TaskResult | None = None) -> dict[str, Any]:
        await pier.due(job, DUE + minute * MINUTE)
        await pier.tick(NOW + minute * MINUTE)
        newest = (await pier.runs(job))[0]
        if result is not None:
            pier.engine.results[newest["id"]] = result
        await pier.work()
        return (await pier.runs(job))[0]

    async def letters() -> int:
        async with pier.database.transaction() as session:
            statement = text("SELECT count(*) FROM letters WHERE template = 'cron_job_failing'")
            return int((await session.execute(statement)).scalar_one())

    run = await once(0)
    assert (run["state"], run["reason_code"], run["exit_code"]) == ("failed", "task_failed", 3)
    assert run["reason_parameters"] == {"because": "exit_other", "exit_status": 3}
    lost = await once(1, TaskResult(None, LOST))
    assert (lost["state"], lost["reason_code"]) == ("lost", "task_lost")
    assert await letters() == 0
    await once(2)
    assert await letters() == 1
    await once(3)
    assert await letters() == 1
    assert (await pier.got(f"/cron-jobs/{job['id']}"))["failures"] == 4
    await once(4, TaskResult(0, None))
    assert (await pier.got(f"/cron-jobs/{job['id']}"))["failures"] == 0


async def test_an_engine_that_is_away_is_asked_again_and_then_it_is_said(
    pier: Pier, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await pier.add()
    await pier.due(job, DUE)
    await pier.tick(NOW)

    async def away(*_: Any) -> TaskResult:
        raise EngineError("engine_unavailable", "Away.", retry=Retry.BACKOFF)

    monkeypatch.setattr(pier.engine, "run_task", away)
    [job_id] = await pier.queued()
    for _ in range(4):
        async with pier.database.transaction() as session:
            await session.execute(text("UPDATE jobs SET run_at = now() - interval '1 second'"))
        await pier.work_on(job_id)
    [run] = await pier.runs(job)
    assert (run["state"], run["reason_code"]) == ("failed", "engine_unavailable")


async def test_values_of_variables_are_in_no_log(pier: Pier) -> None:
    await pier.harbour.variables(TOKEN="s3cr3t-value")
    await pier.harbour.deploy()
    job = await pier.add(command="print it is s3cr3t-value")
    await pier.due(job, DUE)
    await pier.tick(NOW)
    await pier.work()
    [run] = await pier.runs(job)
    assert (await pier.got(f"/cron-runs/{run['id']}/log"))["lines"][0]["text"] == "it is •••"


async def test_history_is_bounded_and_strays_are_ended(pier: Pier) -> None:
    job = await pier.add()
    for minute in range(6):
        await pier.due(job, DUE + minute * MINUTE)
        await pier.tick(NOW + minute * MINUTE, cron_runs_kept=3)
        await pier.work()
    await pier.due(job, DUE + 6 * MINUTE)
    await pier.tick(NOW + 6 * MINUTE, cron_runs_kept=3)
    assert len(await pier.runs(job)) == 4
    stray, [waiting] = str(uuid4()), (await pier.runs(job))[:1]
    pier.engine.begun += [stray, waiting["id"]]
    await keeping.stop_unwanted(pier.database, pier.engine)  # type: ignore[arg-type]
    assert stray in pier.engine.stopped
    assert waiting["id"] not in pier.engine.stopped
    async with pier.database.transaction() as session:
        await session.execute(text("UPDATE cron_runs SET created_at = now() - interval '31 days'"))
        assert await keeping.prune(session) == 3
        assert await session.get_one(type(await pier.row(waiting["id"])), UUID(waiting["id"]))
