"""Units of the `process` engine: limits, isolation, and that secrets stay where they belong."""

from __future__ import annotations

import contextlib
import json
import os

import httpx
import psutil
import pytest

from backend.engines import processes, sandbox
from backend.engines.base import EngineError, Retry, UnitState
from backend.engines.process import NOT_ISOLATED, UNCOUNTED
from tests.engines.app import APP, get, text_of, until
from tests.engines.conftest import Panel


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
    await panel.engine.wait_healthy(release, panel.report, timeout=60)

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
        await panel.engine.wait_healthy(broken, panel.report, timeout=60)
    assert "not found" in caught.value.message


async def test_the_engine_without_its_supervisor(panel: Panel) -> None:
    engine = panel.with_settings(supervisor_socket=panel.apps.home / "nosuch.sock")
    with pytest.raises(EngineError) as caught:
        await engine.units()
    assert (caught.value.code, caught.value.retry) == ("engine_unavailable", Retry.BACKOFF)
    assert (await engine.info()).name == "process"


async def test_dying_again_and_again_is_given_up_with_a_reason(panel: Panel) -> None:
    spec, built = await panel.build({**APP, "Procfile": "web: sh -c 'exit 9'\n"})
    release = panel.release(spec, built)
    await panel.engine.start(release, panel.report)

    async def fatal() -> bool:
        unit = await panel.engine.inspect(release.deployment_id)
        assert unit
        return unit.state is UnitState.FATAL

    await until(fatal, 120)
    unit = await panel.engine.inspect(release.deployment_id)
    assert unit
    assert "exit status 9" in str(unit.reason)
    await panel.engine.stop(release.deployment_id)
    unit = await panel.engine.inspect(release.deployment_id)
    assert unit
    assert unit.state is UnitState.STOPPED
