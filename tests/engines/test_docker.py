"""The `docker` engine apart from the contract: what containers may do and show, and what is left of them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from backend.engines import orphans
from backend.engines.base import EngineError, LogLine, Retry, UnitState
from backend.engines.docker import orphans as docker_orphans
from backend.engines.docker import states, template
from tests.engines.app import APP, get, text_of, until
from tests.engines.conftest import ROOT, Panel

pytestmark = pytest.mark.parametrize("panel", ["docker"], indirect=True)


async def test_secrets_are_on_no_disk_and_no_command_line(panel: Panel) -> None:
    value = "s3cr3t-" + os.urandom(8).hex()
    release, unit = await panel.run(APP, {"TOKEN": value})
    assert json.loads((await get(unit.address, "/env")).text)["TOKEN"] == value
    inside = panel.containers
    container = inside.container(release.deployment_id)
    assert value not in json.dumps(container)
    for service in inside.client.services(filters=inside.mine):
        assert value not in json.dumps(service)
    # What Docker itself writes of the container, where we may look.
    for path in Path(str(container["ResolvConfPath"])).parent.glob("*.json"):
        assert value not in path.read_text()
    for process in psutil.process_iter(["cmdline"]):
        assert value not in " ".join(process.info["cmdline"] or [])
    assert value not in "\n".join(panel.lines)


async def test_containers_may_do_little(panel: Panel) -> None:
    release, unit = await panel.run(APP, memory_bytes=256 * 2**20, cpu_millis=500, pids=40)
    assert "Read-only file system" in (await get(unit.address, "/fill")).text
    assert int((await get(unit.address, "/fork")).text) < 40
    container: dict[str, Any] = panel.containers.container(release.deployment_id)
    host = container["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (256 * 2**20, 5 * 10**8, 40)
    assert host["MemorySwap"] == host["Memory"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["Privileged"]
    [published] = container["NetworkSettings"]["Ports"]["8080/tcp"]
    assert f"{published['HostIp']}:{published['HostPort']}" == unit.address


async def test_writes_where_apps_expect_to(panel: Panel) -> None:
    files = {
        "Procfile": "web: python3 server.py\n",
        "server.py": (
            "import os, pathlib, tempfile\n"
            "from http.server import HTTPServer, BaseHTTPRequestHandler as H\n"
            "(pathlib.Path.home() / '.cache').mkdir()\n"
            "tempfile.NamedTemporaryFile()\n"
            "H.do_GET = lambda self: (self.send_response(200), self.end_headers())\n"
            "HTTPServer((os.environ['HOST'], int(os.environ['PORT'])), H).serve_forever()\n"
        ),
    }
    await panel.run(files)


async def test_volumes_are_memory(panel: Panel) -> None:
    """Else each would be a folder on Docker's disk that nothing bounds."""
    own = 'FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\nVOLUME /data/ /tmp\nCMD ["python3", "server.py"]\n'
    release, _ = await panel.run({"Dockerfile": own, "server.py": APP["server.py"]})
    container: dict[str, Any] = panel.containers.container(release.deployment_id)
    client = panel.containers.client
    filling = client.exec_create(container["Id"], ["sh", "-c", "head -c 600M /dev/zero > /data/big"])["Id"]
    assert b"No space left on device" in client.exec_start(filling)
    assert {mount["Type"] for mount in container["Mounts"]} == {"tmpfs"}


async def test_out_of_memory_is_told(panel: Panel) -> None:
    eater = "import os, time; print('eating', flush=True); x = bytearray(1 << 30); time.sleep(60)\n"
    spec, built = await panel.build({"Procfile": "web: python3 eat.py\n", "eat.py": eater})
    release = panel.release(spec, built, memory_bytes=64 * 2**20)
    await panel.engine.start(release, panel.report)
    with pytest.raises(EngineError) as caught:
        await panel.engine.wait_healthy(release, panel.report, timeout=60)
    assert "more memory than the 64 MiB" in caught.value.message
    assert caught.value.parameters["because"] == "out_of_memory"
    assert caught.value.parameters["limit_bytes"] == 64 * 2**20
    assert "eating" in caught.value.message


async def test_a_crash_loop_is_given_up(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not before Swarm's own restarts and ours are used up; whoever starts it again has them anew."""
    monkeypatch.setattr(template, "RESTART_DELAY", 0)
    monkeypatch.setattr(states, "FIRST_PAUSE", 1)
    monkeypatch.setattr(states, "SUCCEEDED_WITHIN", 1.0)
    engine = panel.with_settings(restarts=1)
    spec, built = await panel.build({**APP, "Procfile": "web: sh -c 'echo born; exit 9'\n"})
    release = panel.release(spec, built)
    await engine.start(release, panel.report)

    details = set()

    async def given_up() -> bool:
        await engine.revive()
        await engine.collect_logs()
        unit = await engine.inspect(release.deployment_id)
        assert unit
        details.add(unit.reason.parameters.get("detail") if unit.reason else None)
        return unit.state is UnitState.FATAL

    await until(given_up, 60)
    text = await text_of(panel, release.service_id)
    assert text.count("born") == 2 * template.LOOP
    unit = await engine.inspect(release.deployment_id)
    assert unit is not None
    assert unit.reason is not None
    assert unit.reason.parameters == {"detail": "given_up", "because": "exit_other", "exit_status": 9}
    assert "crash_loop" in details
    assert (await engine.restart(release.deployment_id)).state is not UnitState.FATAL
    await engine.stop(release.deployment_id)
    stopped = await engine.inspect(release.deployment_id)
    assert stopped is not None
    assert stopped.state is UnitState.STOPPED


async def test_nothing_is_left_while_the_panel_is_down(panel: Panel) -> None:
    release, unit = await panel.run(APP, {"TOKEN": "kept"})
    stopped, _ = await panel.run(APP)
    await panel.engine.stop(stopped.deployment_id)
    assert await panel.engine.rest() == 1
    inside = panel.containers
    for found in (inside.client.services, inside.client.networks, inside.client.secrets):
        assert found(filters=inside.mine) == []
    assert {(one.deployment_id, one.state) for one in await panel.engine.units()} == {
        (release.deployment_id, UnitState.STOPPED),
        (stopped.deployment_id, UnitState.STOPPED),
    }
    assert await panel.engine.rest() == 0
    for path in (panel.settings.home / "deployments" / release.deployment_id).iterdir():
        assert b"kept" not in path.read_bytes()

    await panel.engine.restart(release.deployment_id)
    back = await panel.engine.wait_healthy(release, panel.report, timeout=60)
    assert back.address == unit.address
    assert json.loads((await get(back.address, "/env")).text)["TOKEN"] == "kept"
    await panel.engine.remove(stopped.deployment_id)
    assert [one.deployment_id for one in await panel.engine.units()] == [release.deployment_id]


async def test_a_read_only_folder_is_explained(panel: Panel) -> None:
    writer = "open('made-here', 'w')\n"
    spec, built = await panel.build({"Procfile": "web: python3 write.py\n", "write.py": writer})
    release = panel.release(spec, built)
    await panel.engine.start(release, panel.report)
    with pytest.raises(EngineError, match="Only /tmp and the home folder can be written to") as caught:
        await panel.engine.wait_healthy(release, panel.report, timeout=60)
    assert caught.value.parameters["hint"] == "read_only"
    assert "made-here" in caught.value.parameters["output"]


async def test_listening_on_loopback_is_told(panel: Panel) -> None:
    spec, built = await panel.build(APP)
    release = panel.release(spec, built, {"HOST": "127.0.0.1"})
    await panel.engine.start(release, panel.report)
    [seen] = [unit for unit in await panel.engine.units() if unit.deployment_id == release.deployment_id]
    assert seen.listening is False
    with pytest.raises(EngineError) as caught:
        await panel.engine.wait_healthy(release, panel.report, timeout=8)
    assert caught.value.code == "unit_not_listening"
    assert "listens on 127.0.0.1:8080 instead" in caught.value.message


async def test_logs_have_each_line_once(panel: Panel) -> None:
    """Through a crash, a stop and a removal, read bit by bit while it happens."""
    release, unit = await panel.run(APP, {"LINGER": "0.2"})
    after: str | None = None
    lines: list[LogLine] = []

    async def read_on() -> None:
        nonlocal after
        page = await panel.engine.read_log(release.service_id, after=after, limit=1000)
        assert not page.truncated
        after = page.next
        lines.extend(page.lines)

    await read_on()
    with pytest.raises(httpx.HTTPError):
        await get(unit.address, "/exit")
    await panel.engine.collect_logs()
    await read_on()

    async def back() -> bool:
        found = await panel.engine.inspect(release.deployment_id)
        return found is not None and found.state is UnitState.RUNNING and found.pid != unit.pid

    await until(back)
    await panel.engine.wait_healthy(release, panel.report, timeout=60)
    await read_on()
    await panel.engine.stop(release.deployment_id)
    await read_on()
    await panel.engine.remove(release.deployment_id)
    texts = [line.text for line in lines]
    whole = await panel.engine.read_log(release.service_id, after=None, limit=1000)
    assert [line.text for line in whole.lines] == texts
    assert len({line.cursor for line in lines}) == len(lines)
    assert {line.deployment_id for line in lines} == {release.deployment_id}
    assert texts.count("listening on 8080") == 2
    assert texts.count("stopped in order") == 1
    assert (await panel.engine.read_log(release.service_id, after=after, limit=10)).lines == []


async def test_projects_share_no_network(panel: Panel) -> None:
    first, _ = await panel.run(APP)
    spec, built = await panel.build(APP)
    other = replace(panel.release(spec, built), project_id="other")
    await panel.engine.start(other, panel.report)
    await panel.engine.wait_healthy(other, panel.report, timeout=60)
    inside = panel.containers
    networks = [
        set(dict(inside.container(release.deployment_id)["NetworkSettings"]["Networks"]))  # type: ignore[index]
        for release in (first, other)
    ]
    assert not networks[0] & networks[1]
    await panel.engine.remove_service(other.service_id)
    await panel.engine.remove_service(first.service_id)
    await panel.engine.reap({unit.deployment_id for unit in await panel.engine.units()})
    names = [network["Name"] for network in inside.client.networks(filters=inside.mine)]
    assert not any(name.endswith("-other") for name in names)


async def test_a_worker_killed_at_any_moment(panel: Panel) -> None:
    """`kill -9` while it starts a release, at moments over the whole way; then it is simply done again."""
    spec, built = await panel.build(APP)
    for moment in (0.02, 0.05, 0.1, 0.3):
        release = replace(panel.release(spec, built, {"TOKEN": "x"}), deployment_id=str(uuid.uuid4()))
        worker = f"""
import asyncio, sys
from pathlib import Path
from backend.engines.base import *
from backend.engines.docker.engine import DockerEngine
from backend.engines.docker.settings import DockerEngineSettings
engine = DockerEngine(DockerEngineSettings(Path({str(panel.settings.home)!r}),
    {panel.containers.host!r}, secret={panel.settings.secret!r}, port_range={panel.settings.port_range}))
async def report(line): ...
async def main():
    await engine.inspect({release.deployment_id!r})
    print("ready", flush=True)
    await engine.start(ReleaseSpec(deployment_id={release.deployment_id!r},
        service_id={release.service_id!r}, project_id="project", build_id={release.build_id!r},
        command="", limits=Limits(2**29, 2**28, 1000, 100), env={{"TOKEN": "x"}}), report)
asyncio.run(main())
"""
        process = subprocess.Popen([sys.executable, "-c", worker], cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout
        assert await asyncio.to_thread(process.stdout.readline) == b"ready\n"
        await asyncio.sleep(moment)
        process.kill()
        process.wait()
        process.stdout.close()
        await panel.engine.start(release, panel.report)
        await panel.engine.wait_healthy(release, panel.report, timeout=60)
        await panel.engine.remove(release.deployment_id)
        left = panel.containers.left(release.deployment_id)
        assert left == []


async def test_reaping_what_nobody_knows(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, _ = await panel.run(APP)
    orphan, _ = await panel.run(APP)
    # Other tests leave builds that never ran.
    known = await panel.engine.builds() - {orphan.deployment_id}
    assert await panel.engine.reap(known) == []
    for module in (orphans, docker_orphans):
        monkeypatch.setattr(module, "YOUNG", 0)
    assert await panel.engine.reap(known) == [orphan.deployment_id]
    assert panel.containers.left(orphan.deployment_id) == []
    assert await panel.engine.inspect(kept.deployment_id) is not None
    assert kept.deployment_id in await panel.engine.builds()


async def test_another_installation_sees_and_touches_nothing(panel: Panel, tmp_path: Path) -> None:
    release, unit = await panel.run(APP)
    other = panel.with_settings(home=tmp_path)
    assert await other.units() == []
    with pytest.raises(EngineError, match="not the one"):
        await other.builds()
    await other.stop(release.deployment_id)
    await other.remove(release.deployment_id)
    await other.remove_service(release.service_id)
    await other.reap(set())
    assert (await get(unit.address, "/")).status_code == 200


async def test_the_engine_without_docker(panel: Panel, tmp_path: Path) -> None:
    engine = panel.with_settings(host=f"unix://{tmp_path}/nosuch.sock")
    for call in (engine.units(), engine.info(), engine.stop("x")):
        with pytest.raises(EngineError) as caught:
            await call
        assert (caught.value.code, caught.value.retry) == ("engine_unavailable", Retry.BACKOFF)
    await engine.collect_logs()
    assert (await engine.read_log("x", after=None, limit=1)).lines == []


async def test_info(panel: Panel) -> None:
    info = await panel.engine.info()
    assert (info.name, info.isolation) == ("docker", "containers")
    assert "network_open" in {caution.code for caution in info.warnings}
