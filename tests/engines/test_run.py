"""Units: start, health, stop, restart, remove; and that secrets stay where they belong."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import psutil
import pytest

from backend.engines import processes, sandbox
from backend.engines.base import EngineError, Retry, UnitState
from tests.engines.conftest import Panel

SERVER = """
import json, os, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = 200, b""
        if self.path == "/env":
            body = json.dumps(dict(os.environ)).encode()
        elif self.path.startswith("/read"):
            try:
                body = open(self.path[5:], "rb").read()
            except OSError as error:
                status, body = 404, str(error).encode()
        elif self.path == "/fail":
            status = 503
        elif self.path == "/moved":
            status = 302
        elif self.path == "/missing":
            status = 404
        elif self.path == "/exit":
            os._exit(7)
        elif self.path == "/kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.path == "/eat":
            try:
                status, body = 500, str(len(bytearray(2 << 30))).encode()
            except MemoryError:
                body = b"no memory"
        elif self.path == "/fork":
            made = 0
            try:
                for _ in range(400):
                    if os.fork() == 0:
                        time.sleep(3)
                        os._exit(0)
                    made += 1
            except OSError:
                pass
            body = str(made).encode()
        elif self.path == "/fill":
            try:
                with open("big", "wb") as file:
                    for _ in range(400):
                        file.write(bytes(1 << 20))
                body = b"filled"
            except OSError as error:
                body = str(error).encode()
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

def stop(*_):
    print("asked to stop", flush=True)
    time.sleep(float(os.environ.get("LINGER", "0")))
    print("stopped in order", flush=True)
    os._exit(0)

signal.signal(signal.SIGTERM, stop)
time.sleep(float(os.environ.get("LATE", "0")))
print("listening on", os.environ["PORT"], flush=True)
port = int(os.environ["PORT"]) + int(os.environ.get("OFF_BY", "0"))
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
APP = {"server.py": SERVER, "Procfile": "web: python3 server.py\n"}


async def get(address: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=30) as client:
        return await client.get(f"http://{address}{path}")


async def text_of(panel: Panel, service_id: str) -> str:
    page = await panel.engine.read_log(service_id, after=None, limit=1000)
    return "\n".join(line.text for line in page.lines)


async def until(condition: Callable[[], Awaitable[bool]], timeout: float = 15) -> None:
    deadline = time.monotonic() + timeout
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


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
    assert stopped.reason == "It was stopped."
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
    assert 1 <= time.monotonic() - began < 4
    assert "stopped in order" in await text_of(panel, release.service_id)

    stubborn = {**APP, "Procfile": "web: trap '' TERM; cd . && python3 server.py & wait; sleep 100\n"}
    release, _ = await panel.run(stubborn, {"LINGER": "100"})
    began = time.monotonic()
    await panel.engine.stop(release.deployment_id)
    assert 9 <= time.monotonic() - began < 15
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


@pytest.mark.parametrize("path", ["/missing", "/moved", "/?a=b c\r\nX: y"])
async def test_any_answer_below_500_is_healthy(panel: Panel, path: str) -> None:
    spec, built = await panel.build(APP)
    release = panel.release(spec, built, health_path=path)
    await panel.engine.start(release, panel.report)
    await panel.engine.wait_healthy(release, panel.report, timeout=10)


async def test_listening_late_is_fine(panel: Panel) -> None:
    release, _ = await panel.run(APP, {"LATE": "1.5"})
    assert "listening" in await text_of(panel, release.service_id)


async def test_failing_health_check(panel: Panel) -> None:
    spec, built = await panel.build(APP)
    release = panel.release(spec, built, health_path="/fail")
    await panel.engine.start(release, panel.report)
    with pytest.raises(EngineError) as caught:
        await panel.engine.wait_healthy(release, panel.report, timeout=1.5)
    assert (caught.value.code, caught.value.retry) == ("health_failed", Retry.NEVER)
    assert "it answers 503" in caught.value.message
    assert "GET /fail" in caught.value.message


async def test_not_listening_names_the_port_it_listens_on_instead(panel: Panel) -> None:
    spec, built = await panel.build(APP)
    release = panel.release(spec, built, {"OFF_BY": "10000"})
    unit = await panel.engine.start(release, panel.report)
    with pytest.raises(EngineError) as caught:
        await panel.engine.wait_healthy(release, panel.report, timeout=1.5)
    assert caught.value.code == "unit_not_listening"
    assert f"listens on {int(unit.address.split(':')[1]) + 10000} instead" in caught.value.message
    assert "PORT" in caught.value.message
    assert "listening on" in caught.value.message


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("no-such-command --x", "not found"),
        ("./server.py", "cannot be executed"),
        ("python3 -c 'print(\"last words\"); exit(3)'", "exit status 3"),
        ("sh -c 'kill -9 $$'", "SIGKILL"),
        ("true", "keep running"),
        ("echo one && exit 5", "exit status 5"),
    ],
)
async def test_ending_at_once_is_noticed_at_once(panel: Panel, command: str, words: str) -> None:
    spec, built = await panel.build({**APP, "Procfile": f"web: {command}\n"})
    release = panel.release(spec, built)
    await panel.engine.start(release, panel.report)
    began = time.monotonic()
    with pytest.raises(EngineError) as caught:
        await panel.engine.wait_healthy(release, panel.report, timeout=20)
    assert time.monotonic() - began < 3
    assert caught.value.code == "unit_exited"
    assert words in caught.value.message
    if "last words" in command:
        assert "last words" in caught.value.message


async def test_dying_later_is_restarted_and_told(panel: Panel) -> None:
    release, unit = await panel.run(APP)
    await asyncio.sleep(1.2)
    with pytest.raises(httpx.HTTPError):
        await get(unit.address, "/kill")

    async def back() -> bool:
        found = await panel.engine.inspect(release.deployment_id)
        return found is not None and found.state is UnitState.RUNNING and found.pid != unit.pid

    await until(back)
    await panel.engine.wait_healthy(release, panel.report, timeout=10)
    assert (await text_of(panel, release.service_id)).count("listening on") == 2


async def test_dying_again_and_again_is_given_up_with_a_reason(panel: Panel) -> None:
    spec, built = await panel.build({**APP, "Procfile": "web: sh -c 'exit 9'\n"})
    release = panel.release(spec, built)
    await panel.engine.start(release, panel.report)

    async def fatal() -> bool:
        unit = await panel.engine.inspect(release.deployment_id)
        assert unit
        assert unit.state is not UnitState.RUNNING
        return unit.state is UnitState.FATAL

    await until(fatal, 20)
    unit = await panel.engine.inspect(release.deployment_id)
    assert unit
    assert "exit status 9" in (unit.reason or "")
    await panel.engine.stop(release.deployment_id)
    unit = await panel.engine.inspect(release.deployment_id)
    assert unit
    assert unit.state is UnitState.STOPPED


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
    counted = not any("Started by root" in warning for warning in (await panel.engine.info()).warnings)
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
    assert "not isolated" in info.warnings[0]
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
    with pytest.raises(httpx.HTTPError):
        await get(unit.address, "/exit")

    async def reason() -> bool:
        found = await panel.engine.inspect(release.deployment_id)
        return found is not None and (found.reason or "").find("exit status 7") >= 0

    await until(reason, 5)

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
