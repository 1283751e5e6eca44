"""What survives `kill -9` and restarts: each unit runs once, or stays stopped, and nothing is orphaned."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from backend.engines import launch, orphans, processes, sandbox
from backend.engines.base import UnitState
from tests.engines.app import APP, get, printed, text_of, until
from tests.engines.conftest import ROOT, Apps, Panel, supervised

PREFIXES = {"plain": [], "mapped": ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"]}


@pytest.fixture(params=list(PREFIXES))
def own_apps(request: pytest.FixtureRequest, secret: bytes) -> Iterator[Apps]:
    prefix = PREFIXES[request.param]
    if prefix and (os.getuid() != 0 or not shutil.which("unshare")):
        pytest.skip("only root starts it that way")
    yield from supervised(secret, prefix)


@pytest.fixture
async def own(make_panel: Callable[[Apps], Panel], own_apps: Apps) -> AsyncIterator[Panel]:
    panel = make_panel(own_apps)
    yield panel
    for unit in await panel.engine.units():
        await panel.engine.remove(unit.deployment_id)


def running(deployment_id: str, program: str = "server.py") -> list[int]:
    found = []
    for pid in processes.marked(lambda value: value.startswith(f"unit:{deployment_id}@")):
        try:
            words = psutil.Process(pid).cmdline()
        except psutil.Error:
            continue
        if words[:1] and words[0].endswith("python3") and program in words:
            found.append(pid)
    return found


async def test_killed_supervisord_comes_back_without_doubles(own: Panel) -> None:
    running_release, unit = await own.run(APP, {"LINGER": "0.2"})
    stopped_release, _ = await own.run(APP)
    await own.engine.stop(stopped_release.deployment_id)
    before = running(running_release.deployment_id)
    assert len(before) == 1
    own.apps.kill()
    await asyncio.sleep(0.1)
    assert running(running_release.deployment_id) == before, "the app outlives its supervisor"
    own.apps.start()

    async def restarted() -> bool:
        now = running(running_release.deployment_id)
        return len(now) == 1 and now != before

    await until(restarted)
    healthy = await own.engine.wait_healthy(running_release, own.report, timeout=60)
    assert healthy.address == unit.address
    assert len(running(running_release.deployment_id)) == 1
    await printed(own, running_release.service_id, "Ended a process")
    stopped = await own.engine.inspect(stopped_release.deployment_id)
    assert stopped
    assert stopped.state is UnitState.STOPPED
    assert not running(stopped_release.deployment_id)


async def test_orderly_restart_of_everything(own: Panel) -> None:
    release, unit = await own.run(APP)
    own.apps.stop()
    assert not running(release.deployment_id)
    assert "stopped in order" in await text_of(own, release.service_id)
    own.apps.start()
    healthy = await own.engine.wait_healthy(release, own.report, timeout=60)
    assert healthy.address == unit.address


async def test_killed_sandbox_takes_no_double(own: Panel) -> None:
    """Killing the outer process leaves what is inside; the next start ends that first."""
    release, unit = await own.run(APP)
    await asyncio.sleep(1.2)
    assert unit.pid
    os.kill(unit.pid, signal.SIGKILL)

    async def replaced() -> bool:
        found = await own.engine.inspect(release.deployment_id)
        return found is not None and found.pid not in (None, unit.pid)

    await until(replaced)
    await own.engine.wait_healthy(release, own.report, timeout=60)
    assert len(running(release.deployment_id)) == 1


async def test_a_worker_killed_in_a_build_leaves_nothing_that_matters(own: Panel) -> None:
    if not shutil.which("npm"):
        pytest.skip("Node.js is not installed here")
    own.git.commit(
        "slow", {"package.json": '{"scripts": {"build": "sleep 3", "start": "node x.js"}}', "x.js": ""}
    )
    spec, _ = await own.fetch(own.git.url("slow"))
    worker = f"""
import asyncio
from pathlib import Path
from backend.engines.base import *
from backend.engines.process import ProcessEngine
async def report(line): print(line, flush=True)
home, socket = Path({str(own.apps.home)!r}), Path({str(own.apps.socket)!r})
engine = ProcessEngine(ProcessEngineSettings(home, socket, b"x" * 32))
asyncio.run(engine.build(BuildSpec({spec.deployment_id!r}, {spec.service_id!r}, "project",
    Limits(2**29, 2**29, 1000, 100)), report))
"""
    process = subprocess.Popen([sys.executable, "-c", worker], cwd=ROOT, stdout=subprocess.DEVNULL)
    mine = lambda value: spec.deployment_id in value  # noqa: E731
    while not processes.marked(mine):
        await asyncio.sleep(0.02)
    process.kill()
    process.wait()
    built = await own.engine.build(own.build_spec(spec), own.report)
    assert built.command == "node x.js"
    assert not processes.marked(mine)


async def test_reaping_what_nobody_knows(own: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, _ = await own.run(APP)
    orphan, _ = await own.run(APP)
    young = own.fetch_spec(own.git.url("x")).deployment_id
    assert await own.engine.reap({kept.deployment_id}) == []
    monkeypatch.setattr(orphans, "YOUNG", 0)
    # A program whose folder is gone, and a process whose program is gone too.
    lost, _ = await own.run(APP)
    shutil.rmtree(own.apps.home / "deployments" / lost.deployment_id)
    stray = subprocess.Popen(["sleep", "100"], env={processes.MARKER: own.engine._marker("unit", young)})
    foreign = subprocess.Popen(["sleep", "100"], env={processes.MARKER: f"unit:{young}@elsewhere"})
    try:
        removed = await own.engine.reap({kept.deployment_id})
        assert set(removed) == {orphan.deployment_id, lost.deployment_id}
        assert stray.wait(20) != 0
        assert foreign.poll() is None
    finally:
        stray.kill()
        foreign.kill()
        foreign.wait()
    assert [unit.deployment_id for unit in await own.engine.units()] == [kept.deployment_id]
    assert running(kept.deployment_id)
    assert not running(orphan.deployment_id)
    assert not running(lost.deployment_id)


async def test_short_lives_wait_longer_and_longer(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lives of over a second escape supervisord's own limit; the launcher counts them."""
    release, unit = await panel.run(APP)
    status = panel.apps.home / "deployments" / release.deployment_id / "unit" / "status"
    _add(status, short_starts=launch.PATIENCE + 1)
    await asyncio.sleep(1.1)
    with pytest.raises(httpx.HTTPError):
        await get(unit.address, "/exit")

    async def waits() -> bool:
        found = await panel.engine.inspect(release.deployment_id)
        ended = found is not None and found.state is UnitState.BACKOFF and "status 7" in str(found.reason)
        # supervisord itself says BACKOFF before the launcher has counted and waits.
        return ended and launch.read_status(status)["short_starts"] == launch.PATIENCE + 2

    await until(waits, 60)
    await until(lambda: _running(panel, release.deployment_id), 60)
    _add(status, short_starts=launch.GIVE_UP)
    await panel.engine.wait_healthy(release, panel.report, timeout=60)
    with pytest.raises(httpx.HTTPError):
        await get(unit.address, "/exit")

    async def given_up() -> bool:
        found = await panel.engine.inspect(release.deployment_id)
        return found is not None and found.state is UnitState.FATAL

    await until(given_up, 60)
    found = await panel.engine.inspect(release.deployment_id)
    assert found
    assert "again and again" in str(found.reason)
    await panel.engine.restart(release.deployment_id)
    await panel.engine.wait_healthy(release, panel.report, timeout=60)


def _add(status: Path, **facts: int) -> None:
    with status.open("a") as file:
        file.write(json.dumps(facts) + "\n")


async def _running(panel: Panel, deployment_id: str) -> bool:
    found = await panel.engine.inspect(deployment_id)
    return found is not None and found.state in (UnitState.STARTING, UnitState.RUNNING)


async def test_a_release_sealed_with_another_key_does_not_start(panel: Panel) -> None:
    spec, built = await panel.build(APP)
    release = panel.release(spec, built)
    engine = panel.with_settings(secret=os.urandom(32))
    await engine.start(release, panel.report)

    async def told() -> bool:
        found = await panel.engine.inspect(release.deployment_id)
        return found is not None and "cannot be opened" in str(found.reason)

    await until(told)


async def test_leftovers_are_told_by_marker_or_group() -> None:
    marker = f"unit:{uuid.uuid4()}@test"
    child = subprocess.Popen(["sleep", "100"], env={processes.MARKER: marker}, start_new_session=True)
    other = subprocess.Popen(["sleep", "100"], start_new_session=True)
    try:
        while not processes.marked(lambda value: value == marker):
            time.sleep(0.01)
        ticks = processes.start_ticks(other.pid)
        assert ticks is not None
        assert processes.end_leftovers(marker, other.pid, ticks + 1) == 1
        assert child.wait(20) == -signal.SIGKILL
        assert other.poll() is None, "a reused number belongs to somebody else"
        assert processes.end_leftovers(marker, other.pid, ticks, grace=2) == 1
        assert other.wait(20) == -signal.SIGTERM
    finally:
        child.kill()
        other.kill()
    assert sandbox.HERE.name == "engines"
