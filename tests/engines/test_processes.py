"""Several processes and replicas of one release, on every engine: started, told apart, scaled, watched."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from backend.engines.base import EngineError, HealthKind, ProcessSpec, Restart, Unit, UnitState
from tests.engines.app import APP, get, until
from tests.engines.conftest import Panel, every_engine

pytestmark = every_engine

PROCFILE = {
    **APP,
    "Procfile": "web: python3 server.py\nworker: sh work.sh\nrelease: echo once\n"
    "once: sh -c 'echo done; exit 0'\nbroken: sh -c 'exit 3'\n",
    "work.sh": "echo working; while :; do sleep 1; done\n",
}


async def units_of(panel: Panel, deployment_id: str) -> dict[str, Unit]:
    return {unit.name: unit for unit in await panel.engine.release_units(deployment_id)}


async def test_processes_and_replicas(panel: Panel) -> None:
    spec, built = await panel.build(PROCFILE)
    assert dict(built.processes) == {
        "worker": "sh work.sh",
        "release": "echo once",
        "once": "sh -c 'echo done; exit 0'",
        "broken": "sh -c 'exit 3'",
    }
    worker = ProcessSpec("worker", built.processes["worker"])
    release = replace(panel.release(spec, built), processes=(ProcessSpec(replicas=2), worker))
    first = await panel.engine.start(release, panel.report)
    assert first.name == "web.1"
    await panel.engine.wait_healthy(release, panel.report, timeout=60)
    units = await units_of(panel, spec.deployment_id)
    assert list(units) == ["web.1", "web.2", "worker.1"]
    assert {unit.state for unit in units.values()} == {UnitState.RUNNING}
    assert units["worker.1"].address == ""
    assert len({units["web.1"].address, units["web.2"].address}) == 2
    for name in ("web.1", "web.2"):
        assert (await get(units[name].address, "/")).status_code == 200

    async def printed() -> bool:
        page = await panel.engine.read_log(spec.service_id, after=None, limit=100)
        return ("worker.1", "working") in {(line.unit, line.text) for line in page.lines} and {
            line.unit for line in page.lines
        } >= {"web.1", "web.2"}

    await until(printed)

    # More and less: what stays is left alone.
    await panel.engine.scale(replace(release, processes=(ProcessSpec(replicas=3),)), panel.report)
    scaled = await units_of(panel, spec.deployment_id)
    assert list(scaled) == ["web.1", "web.2", "web.3"]
    assert scaled["web.1"].pid == units["web.1"].pid
    await panel.engine.wait_healthy(release, panel.report, timeout=60)
    await panel.engine.scale(replace(release, processes=(ProcessSpec(),)), panel.report)
    assert list(await units_of(panel, spec.deployment_id)) == ["web.1"]
    assert (await get(units["web.1"].address, "/")).status_code == 200

    # What is asked of the release is asked of all its units.
    await panel.engine.scale(release, panel.report)
    await panel.engine.wait_healthy(release, panel.report, timeout=60)
    await panel.engine.stop(spec.deployment_id)
    stopped = await units_of(panel, spec.deployment_id)
    assert {unit.state for unit in stopped.values()} == {UnitState.STOPPED}
    await panel.engine.restart(spec.deployment_id)
    await panel.engine.wait_healthy(release, panel.report, timeout=60)
    assert len(await units_of(panel, spec.deployment_id)) == 3
    await panel.engine.remove(spec.deployment_id)
    assert await units_of(panel, spec.deployment_id) == {}


async def test_restart_policies(panel: Panel) -> None:
    spec, built = await panel.build(PROCFILE)
    processes = tuple(ProcessSpec(name, built.processes[name]) for name in ("once", "broken"))
    release = replace(panel.release(spec, built), processes=processes, restart=Restart.NEVER)
    await panel.engine.start(release, panel.report)

    async def ended() -> bool:
        units = await units_of(panel, spec.deployment_id)
        return {unit.state for unit in units.values()} == {UnitState.EXITED}

    await until(ended)
    units = await units_of(panel, spec.deployment_id)
    for name, status in (("once.1", 0), ("broken.1", 3)):
        reason = units[name].reason
        assert reason
        assert reason.parameters["exit_status"] == status
        assert reason.parameters["detail"] == "by_policy"
    with pytest.raises(EngineError) as caught:
        await panel.engine.wait_healthy(release, panel.report, timeout=30)
    assert caught.value.code == "unit_exited"
    assert caught.value.parameters["unit"] == "broken.1"
    alone = replace(release, processes=processes[:1])
    await panel.engine.scale(alone, panel.report)
    assert (await panel.engine.wait_healthy(alone, panel.report, timeout=30)).name == "once.1"


@pytest.mark.parametrize(("command", "well"), [("test -f server.py", True), ("exit 4", False)])
async def test_health_by_command(panel: Panel, command: str, well: bool) -> None:
    spec, built = await panel.build(APP)
    release = replace(
        panel.release(spec, built), health=HealthKind.COMMAND, health_command=command, health_path="/fail"
    )
    await panel.engine.start(release, panel.report)
    if well:
        await panel.engine.wait_healthy(release, panel.report, timeout=60)
        return
    with pytest.raises(EngineError) as caught:
        await panel.engine.wait_healthy(release, panel.report, timeout=10)
    assert caught.value.code == "health_failed"
    assert caught.value.parameters["because"] == "check_exit"


def running(sign: str) -> list[str]:
    """Processes of this machine whose command line holds it."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if sign.encode() in file.read_bytes():
                found.append(file.parent.name)
    return found


async def test_a_check_that_is_given_up_ends(panel: Panel) -> None:
    """With what it began, while the app goes on."""
    spec, built = await panel.build(APP)
    sign = f"9{uuid4().int % 10**9:09}"
    apart = f"python3 -c 'import os, time; os.setsid(); time.sleep(900)' {sign}"
    release = replace(
        panel.release(spec, built),
        health=HealthKind.COMMAND,
        health_command=f"sleep {sign} & {apart} & sleep {sign}",
    )
    await panel.engine.start(release, panel.report)
    with pytest.raises(EngineError) as caught:
        await panel.engine.wait_healthy(release, panel.report, timeout=4)
    assert caught.value.parameters["because"] == "answers_late", caught.value.parameters

    async def ended() -> bool:
        return running(sign) == []

    await until(ended)
    units = await units_of(panel, spec.deployment_id)
    assert units["web.1"].state is UnitState.RUNNING


async def test_health_by_port(panel: Panel) -> None:
    spec, built = await panel.build(APP)
    release = replace(panel.release(spec, built), health=HealthKind.TCP, health_path="/fail")
    await panel.engine.start(release, panel.report)
    await asyncio.wait_for(panel.engine.wait_healthy(release, panel.report, timeout=60), 90)
