"""The contract: start, health, stop, restart, remove, with every engine."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import pytest

from backend.engines.base import EngineError, Reason, UnitState
from tests.engines.app import APP, get, printed, text_of
from tests.engines.conftest import Panel, every_engine

pytestmark = every_engine


async def test_whole_life(panel: Panel) -> None:
    release, unit = await panel.run(APP, {"GREETING": "hi"})
    assert unit.state in (UnitState.STARTING, UnitState.RUNNING)
    assert unit.pid
    assert unit.started_at
    env = json.loads((await get(unit.address, "/env")).text)
    assert env["GREETING"] == "hi"
    assert env["PORT"] == panel.port_inside(unit)
    assert "ENGINE_SECRET" not in env
    again = await panel.engine.start(release, panel.report)
    assert (again.pid, again.address) == (unit.pid, unit.address)

    await panel.engine.stop(release.deployment_id)
    stopped = await panel.engine.inspect(release.deployment_id)
    assert stopped
    assert stopped.state is UnitState.STOPPED
    assert stopped.pid is None
    assert stopped.reason == Reason("unit_stopped", "It was stopped.")
    assert "stopped in order" in await text_of(panel, release.service_id)
    await panel.engine.stop(release.deployment_id)

    revived = await panel.engine.restart(release.deployment_id)
    assert revived.address == unit.address
    healthy = await panel.engine.wait_healthy(release, panel.report, timeout=60)
    assert healthy.pid != unit.pid
    assert json.loads((await get(unit.address, "/env")).text)["GREETING"] == "hi"
    assert release.deployment_id in {known.deployment_id for known in await panel.engine.units()}

    await panel.engine.remove(release.deployment_id)
    assert await panel.engine.inspect(release.deployment_id) is None
    assert panel.place.left(release.deployment_id) == []
    assert "stopped in order" in await text_of(panel, release.service_id)
    await panel.engine.remove(release.deployment_id)
    await panel.engine.remove_service(release.service_id)
    assert await text_of(panel, release.service_id) == ""
    await panel.engine.remove_service(release.service_id)
    with pytest.raises(EngineError) as caught:
        await panel.engine.start(release, panel.report)
    assert caught.value.code == "release_missing"
    with pytest.raises(EngineError):
        await panel.engine.restart(release.deployment_id)


async def test_unknown_and_impossible_ids(panel: Panel) -> None:
    assert await panel.engine.inspect("nosuch") is None
    await panel.engine.stop("nosuch")
    await panel.engine.remove("nosuch")
    for bad in ("../..", "", "a/b", "a\n[program:x]", "."):
        with pytest.raises(ValueError, match="not an id"):
            await panel.engine.inspect(bad)


async def test_sigterm_ends_gracefully_and_sigkill_what_does_not(panel: Panel) -> None:
    release, _ = await panel.run(APP, {"LINGER": "1"})
    began = time.monotonic()
    await panel.engine.stop(release.deployment_id)
    assert time.monotonic() - began >= 1
    assert "stopped in order" in await text_of(panel, release.service_id)

    stubborn = {**APP, "Procfile": "web: trap '' TERM; cd . && python3 server.py & wait; sleep 100\n"}
    release, _ = await panel.run(stubborn, {"LINGER": "100"})
    began = time.monotonic()
    await panel.engine.stop(release.deployment_id)
    assert 9 <= time.monotonic() - began < 60
    await panel.engine.remove(release.deployment_id)
    assert panel.place.left(release.deployment_id) == []


async def test_two_releases_run_beside_each_other(panel: Panel) -> None:
    old, old_unit = await panel.run(APP, {"N": "old"})
    spec, built = await panel.build(APP, service=old.service_id)
    new = panel.release(spec, built, {"N": "new"})
    await panel.engine.start(new, panel.report)
    new_unit = await panel.engine.wait_healthy(new, panel.report, timeout=60)
    assert new_unit.address != old_unit.address
    assert json.loads((await get(old_unit.address, "/env")).text)["N"] == "old"
    assert json.loads((await get(new_unit.address, "/env")).text)["N"] == "new"
    await panel.engine.remove_service(old.service_id)
    assert await panel.engine.inspect(old.deployment_id) is None


async def test_many_at_once_share_no_port(panel: Panel) -> None:
    built = await asyncio.gather(*(panel.build({"index.html": str(number)}) for number in range(8)))
    releases = [panel.release(spec, result) for spec, result in built]
    units = await asyncio.gather(*(panel.engine.start(release, panel.report) for release in releases))
    assert len({unit.address for unit in units}) == 8
    healthy = await asyncio.gather(
        *(panel.engine.wait_healthy(release, panel.report, timeout=60) for release in releases)
    )
    for number, unit in enumerate(healthy):
        assert (await get(unit.address, "/")).text == str(number)


async def test_starting_one_release_twice_at_once_runs_it_once(panel: Panel) -> None:
    spec, built = await panel.build(APP)
    release = panel.release(spec, built)
    results = await asyncio.gather(
        *(panel.engine.start(release, panel.report) for _ in range(4)), return_exceptions=True
    )
    assert not [result for result in results if isinstance(result, BaseException)]
    await panel.engine.wait_healthy(release, panel.report, timeout=60)
    await printed(panel, release.service_id, "listening on")
    assert (await text_of(panel, release.service_id)).count("listening on") == 1


async def test_a_port_that_a_stranger_took_is_given_up(panel: Panel) -> None:
    release, unit = await panel.run(APP)
    await panel.engine.stop(release.deployment_id)
    host, port = unit.address.split(":")
    stranger = await asyncio.start_server(lambda *_: None, host, int(port))
    async with stranger:
        moved = await panel.engine.restart(release.deployment_id)
        assert moved.address != unit.address
        healthy = await panel.engine.wait_healthy(release, panel.report, timeout=60)
        env = json.loads((await get(healthy.address, "/env")).text)
        assert env["PORT"] == panel.port_inside(healthy)


async def test_environments_of_any_kind(panel: Panel) -> None:
    odd = {
        "EMPTY": "",
        "QUOTES": "a'b\"c`d$(id)\\",
        "LINES": "one\ntwo\r\n\tthree",
        "UNICODE": "привет 🌊 \u2028 é",
        "PERCENT": "100% %(here)s ; # x",
        "_x1": "=",
        "LONG": "x" * 60_000,
        "CONTROLS": "".join(chr(number) for number in range(1, 32)),
        "PORT": "1",
        "LD_PRELOAD": "/nowhere/evil.so",
        "PYTHONSTARTUP": "/nowhere",
        "GAVAN_WORK": "unit:someone-else",
    }
    release, unit = await panel.run(APP, odd)
    env = json.loads((await get(unit.address, "/env")).text)
    for name, value in odd.items():
        if name not in ("PORT", "GAVAN_WORK"):
            assert env[name] == value
    assert env["PORT"] != "1"
    assert env.get("GAVAN_WORK") != odd["GAVAN_WORK"], "that name is the engine's own"
    for bad in ({"A B": "x"}, {"": "x"}, {"1A": "x"}, {"É": "x"}, {"A\n": "x"}, {"A": "nul\0"}):
        with pytest.raises(EngineError) as caught:
            await panel.engine.start(
                replace(release, env=bad, deployment_id=(await panel.build(APP))[0].deployment_id),
                panel.report,
            )
        assert caught.value.code == "variable_invalid"
