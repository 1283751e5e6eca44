"""Units: start, health, stop, restart, remove; and that secrets stay where they belong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from dataclasses import replace

import httpx
import psutil
import pytest

from backend.engines import processes, sandbox
from backend.engines.base import EngineError, Reason, Retry, UnitState
from backend.engines.process import NOT_ISOLATED, UNCOUNTED
from tests.engines.app import APP, get, text_of, until
from tests.engines.conftest import Panel


async def test_whole_life(panel: Panel) -> None:
    release, unit = await panel.run(APP, {"GREETING": "hi"})
    assert unit.state in (UnitState.STARTING, UnitState.RUNNING)
    assert unit.pid
    assert unit.started_at
    env = json.loads((await get(unit.address, "/env")).text)
    assert env["GREETING"] == "hi"
    assert f"127.0.0.1:{env['PORT']}" == unit.address
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
    healthy = await panel.engine.wait_healthy(release, panel.report, timeout=10)
    assert healthy.pid != unit.pid
    assert json.loads((await get(unit.address, "/env")).text)["GREETING"] == "hi"
    assert release.deployment_id in {known.deployment_id for known in await panel.engine.units()}

    await panel.engine.remove(release.deployment_id)
    assert await panel.engine.inspect(release.deployment_id) is None
    assert not (panel.apps.home / "deployments" / release.deployment_id).exists()
    assert not (panel.apps.home / "units" / f"{release.deployment_id}.conf").exists()
    assert not processes.marked(lambda value: release.deployment_id in value)
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
    assert 1 <= time.monotonic() - began < 8
    assert "stopped in order" in await text_of(panel, release.service_id)

    stubborn = {**APP, "Procfile": "web: trap '' TERM; cd . && python3 server.py & wait; sleep 100\n"}
    release, _ = await panel.run(stubborn, {"LINGER": "100"})
    began = time.monotonic()
    await panel.engine.stop(release.deployment_id)
    assert 9 <= time.monotonic() - began < 25
    assert not processes.marked(lambda value: release.deployment_id in value)
    await panel.engine.remove(release.deployment_id)


async def test_two_releases_run_beside_each_other(panel: Panel) -> None:
    old, old_unit = await panel.run(APP, {"N": "old"})
    spec, built = await panel.build(APP)
    new = panel.release(replace(spec, service_id=old.service_id), built, {"N": "new"})
    await panel.engine.start(new, panel.report)
    new_unit = await panel.engine.wait_healthy(new, panel.report, timeout=10)
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
        *(panel.engine.wait_healthy(release, panel.report, timeout=20) for release in releases)
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
    await panel.engine.wait_healthy(release, panel.report, timeout=10)
    assert (await text_of(panel, release.service_id)).count("listening on") == 1


async def test_a_port_that_a_stranger_took_is_given_up(panel: Panel) -> None:
    release, unit = await panel.run(APP)
    await panel.engine.stop(release.deployment_id)
    host, port = unit.address.split(":")
    stranger = await asyncio.start_server(lambda *_: None, host, int(port))
    async with stranger:
        moved = await panel.engine.restart(release.deployment_id)
        assert moved.address != unit.address
        healthy = await panel.engine.wait_healthy(release, panel.report, timeout=10)
        env = json.loads((await get(healthy.address, "/env")).text)
        assert f"127.0.0.1:{env['PORT']}" == healthy.address


async def test_secrets_are_on_no_disk_and_no_command_line(panel: Panel) -> None:
    value = "s3cr3t-" + os.urandom(8).hex()
    release, unit = await panel.run(APP, {"TOKEN": value})
    assert json.loads((await get(unit.address, "/env")).text)["TOKEN"] == value
    assert value not in repr(release)
    for folder, _, names in os.walk(panel.apps.home):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    assert value.encode() not in file.read(), path
    for process in psutil.process_iter(["cmdline"]):
        assert value not in " ".join(process.info["cmdline"] or [])
    assert value not in "\n".join(panel.lines)


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
    assert release.deployment_id in env["GAVAN_WORK"]
    for bad in ({"A B": "x"}, {"": "x"}, {"1A": "x"}, {"É": "x"}, {"A\n": "x"}, {"A": "nul\0"}):
        with pytest.raises(EngineError) as caught:
            await panel.engine.start(
                replace(release, env=bad, deployment_id=(await panel.build(APP))[0].deployment_id),
                panel.report,
            )
        assert caught.value.code == "variable_invalid"


async def test_limits_hold(panel: Panel) -> None:
    _, unit = await panel.run(APP, memory_bytes=256 * 2**20, disk_bytes=64 * 2**20, pids=40)
    assert (await get(unit.address, "/eat")).text == "no memory"
    assert "File too large" in (await get(unit.address, "/fill")).text
    counted = UNCOUNTED not in (await panel.engine.info()).warnings
    if sandbox.detect_isolation().arguments and counted:
        assert int((await get(unit.address, "/fork")).text) < 40


@pytest.mark.skipif(not sandbox.detect_isolation().arguments, reason="bubblewrap does not work here")
async def test_apps_do_not_see_the_panel(panel: Panel) -> None:
    release, unit = await panel.run(APP)
    other, _ = await panel.run(APP)
    home = panel.apps.home
    for path in (
        home / "supervisord.conf",
        panel.apps.socket,
        home / "deployments" / release.deployment_id / "unit" / "release.sealed",
        home / "deployments" / other.deployment_id / "tree" / "app" / "server.py",
        f"/proc/{panel.apps.pid}/environ",
        "/etc/shadow",
        "/etc/ssl/private",
        __file__,
    ):
        assert (await get(unit.address, f"/read{path}")).status_code == 404, path
    own = home / "deployments" / release.deployment_id / "tree" / "app" / "server.py"
    assert (await get(unit.address, f"/read{own}")).status_code == 200


async def test_without_bubblewrap_everything_works_and_says_so(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "detect_isolation", lambda: sandbox.Isolation())
    info = await panel.engine.info()
    assert info.isolation == "none"
    assert info.warnings[0] is NOT_ISOLATED
    release, unit = await panel.run(
        {**APP, "requirements.txt": "itsdangerous==2.2.0\n"}, {"TOKEN": "secret-value", "LINGER": "0.3"}
    )
    env = json.loads((await get(unit.address, "/env")).text)
    assert env["TOKEN"] == "secret-value"
    assert "ENGINE_SECRET" not in env
    await panel.engine.stop(release.deployment_id)
    assert "stopped in order" in await text_of(panel, release.service_id)
    assert not processes.marked(lambda value: release.deployment_id in value)
    await panel.engine.restart(release.deployment_id)
    await panel.engine.wait_healthy(release, panel.report, timeout=10)

    async def reason() -> bool:
        # The reason is shown until the next start, which may be sooner than a busy machine looks.
        with contextlib.suppress(httpx.HTTPError):
            await get(unit.address, "/exit")
        found = await panel.engine.inspect(release.deployment_id)
        return found is not None and "exit status 7" in str(found.reason)

    await until(reason)

    missing = {**APP, "Procfile": "web: no-such-command\n"}
    spec, built = await panel.build(missing)
    broken = panel.release(spec, built)
    await panel.engine.start(broken, panel.report)
    with pytest.raises(EngineError) as caught:
        await panel.engine.wait_healthy(broken, panel.report, timeout=10)
    assert "not found" in caught.value.message


async def test_the_engine_without_its_supervisor(panel: Panel) -> None:
    engine = panel.with_settings(supervisor_socket=panel.apps.home / "nosuch.sock")
    with pytest.raises(EngineError) as caught:
        await engine.units()
    assert (caught.value.code, caught.value.retry) == ("engine_unavailable", Retry.BACKOFF)
    assert (await engine.info()).name == "process"
