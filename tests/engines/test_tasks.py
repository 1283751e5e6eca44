"""The contract: one-off commands, with every engine."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from backend.engines.base import EngineError, ReleaseSpec, SecretFile, TaskResult, TaskSpec
from backend.engines.tasks import MAX_LINES
from tests.engines.app import APP, until
from tests.engines.conftest import Panel, every_engine

pytestmark = every_engine


@pytest.fixture
async def release(panel: Panel) -> AsyncIterator[ReleaseSpec]:
    """Built, and not started: a release command runs before its release does."""
    spec, built = await panel.build({**APP, "said.txt": "ahoy\n"})
    yield panel.release(spec, built, {"GREETING": "hi 'there'"})
    for task_id in await panel.engine.tasks():
        await panel.engine.stop_task(task_id)
    await panel.engine.remove(spec.deployment_id)


def task(release: ReleaseSpec, command: str, timeout: float = 120) -> TaskSpec:
    return TaskSpec(task_id=str(uuid.uuid4()), release=release, command=command, timeout=timeout)


async def test_runs_in_the_build_with_its_variables_and_never_twice(
    panel: Panel, release: ReleaseSpec
) -> None:
    lines: list[str] = []

    async def report(line: str) -> None:
        lines.append(line)

    spec = task(release, 'cat said.txt; echo "$GREETING"; id -u; date +%s%N; sleep 1; echo oops >&2')
    result = await panel.engine.run_task(spec, report)
    assert result == TaskResult(0, None)
    assert lines[:3] == ["ahoy", "hi 'there'", "1000"]
    assert lines[4:] == ["oops"]
    assert await panel.engine.inspect(release.deployment_id) is None, "a task is no unit"

    # As after a crash: what it printed then is not told again, and it is not run again.
    again: list[str] = []

    async def report_again(line: str) -> None:
        again.append(line)

    assert await panel.engine.run_task(replace(spec, seen_lines=4), report_again) == result
    assert again == lines[4:]
    assert spec.task_id in await panel.engine.tasks()
    await panel.engine.stop_task(spec.task_id)
    await panel.engine.stop_task(spec.task_id)
    assert spec.task_id not in await panel.engine.tasks()
    late = await panel.engine.run_task(spec, report)
    assert late.exit_code is None
    assert late.reason
    assert late.reason.code == "task_lost"
    assert len(lines) == 5
    assert panel.place.left(spec.task_id) == []


async def test_has_the_secret_files_of_its_release(panel: Panel, release: ReleaseSpec) -> None:
    given = replace(release, files=(SecretFile("/etc/app/key.pem", b"said in confidence\n"),))
    spec = task(given, "cat /etc/app/key.pem; (echo more >> /etc/app/key.pem) 2>/dev/null || echo refused")
    result = await panel.engine.run_task(spec, panel.report)
    assert result == TaskResult(0, None)
    assert panel.lines[-1] == "refused"
    assert "said in confidence" in panel.lines
    await panel.engine.stop_task(spec.task_id)
    assert panel.place.left(spec.task_id) == []


async def test_ends_are_told_in_words(panel: Panel, release: ReleaseSpec) -> None:
    async def because(command: str, timeout: float = 120) -> tuple[str, object, int | None]:
        result = await panel.engine.run_task(task(release, command, timeout), panel.report)
        assert result.reason
        return result.reason.code, result.reason.parameters.get("because"), result.exit_code

    ended = await asyncio.gather(
        because("exit 3"),
        because("nosuchprogram --now"),
        because("trap '' TERM; echo waits; sleep 60", 3),
        because("kill -9 $$"),
    )
    assert ended == [
        ("task_failed", "exit_other", 3),
        ("task_failed", "exit_127", 127),
        ("task_timeout", None, None),
        ("task_failed", "exit_137", 137),
    ]
    assert "waits" in panel.lines


async def test_a_worker_that_dies_finds_it_again(panel: Panel, release: ReleaseSpec) -> None:
    """Two who ask at once, and one who comes after both were cut off: it ran once."""
    spec = task(release, "echo begins; sleep 4; echo ends; exit 5")
    first: list[str] = []

    async def report(line: str) -> None:
        first.append(line)

    watching = [asyncio.create_task(panel.engine.run_task(spec, report)) for _ in range(2)]

    async def begun() -> bool:
        return "begins" in first

    await until(begun)
    for watcher in watching:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher
    panel.lines.clear()
    other = panel.with_settings()
    result = await other.run_task(replace(spec, seen_lines=1), panel.report)
    assert result.exit_code == 5
    assert panel.lines == ["ends"]


async def test_stopping_ends_all_of_it(panel: Panel, release: ReleaseSpec) -> None:
    spec = task(release, "setsid sleep 300 & echo begins; sleep 300")
    running = asyncio.create_task(panel.engine.run_task(spec, panel.report))

    async def begun() -> bool:
        return "begins" in panel.lines

    await until(begun)
    await panel.engine.stop_task(spec.task_id)
    result = await asyncio.wait_for(running, 60)
    assert result.reason is not None
    assert panel.place.left(spec.task_id) == []


async def test_a_flood_harms_only_itself(panel: Panel, release: ReleaseSpec) -> None:
    began = time.monotonic()
    spec = task(release, "yes flood", 4)
    result = await panel.engine.run_task(spec, panel.report)
    assert result.reason
    assert result.reason.code == "task_timeout"
    assert len(panel.lines) <= MAX_LINES + 20
    assert time.monotonic() - began < 120


async def test_without_its_build_there_is_nothing_to_run(panel: Panel, release: ReleaseSpec) -> None:
    await panel.engine.remove(release.deployment_id)
    with pytest.raises(EngineError) as caught:
        await panel.engine.run_task(task(release, "true"), panel.report)
    assert caught.value.code == "release_missing"
    await panel.engine.stop_task("nosuch")
    for bad in ("../..", "", "a/b"):
        with pytest.raises(ValueError, match="not an id"):
            await panel.engine.stop_task(bad)
