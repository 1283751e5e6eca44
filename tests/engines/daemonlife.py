"""The story of `test_dockerd`, told inside its namespaces: `daemonlife FOLDER ARCHIVE-OF-THE-BASE-IMAGE`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
from docker import APIClient
from docker.errors import DockerException

from backend.engines.base import BuildSpec, EngineError, Limits, ReleaseSpec, Unit, UnitState
from backend.engines.docker.engine import DockerEngine
from backend.engines.docker.settings import DockerEngineSettings
from tests.engines.app import APP, get

LIMITS = Limits(memory_bytes=256 * 2**20, disk_bytes=256 * 2**20, cpu_millis=1000, pids=100)


class Daemon:
    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.folder, self.host, self.options = folder, f"unix://{folder}/sock", options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        (self.folder / "pid").unlink(missing_ok=True)
        with (self.folder / "dockerd.log").open("a") as log:
            self.process = subprocess.Popen(
                [
                    *("dockerd", "--host", self.host, "--data-root", str(self.folder / "data")),
                    *("--exec-root", str(self.folder / "exec"), "--pidfile", str(self.folder / "pid")),
                    *self.options,
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(DockerException):
                APIClient(self.host, version="auto").close()
                return
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def kill(self) -> None:
        assert self.process
        helper = int((self.folder / "exec" / "containerd" / "containerd.pid").read_text())
        self.process.kill()
        self.process.wait()
        # It dies with the daemon, but not before it.
        while Path(f"/proc/{helper}").exists():
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


async def report(line: str) -> None:
    print(line, flush=True)


async def patiently(engine: DockerEngine, deployment_id: str) -> Unit | None:
    """As the reconciler asks: a daemon that is coming up is asked again."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return await engine.inspect(deployment_id)
        except EngineError as error:
            if error.code != "engine_unavailable" or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)


async def released(engine: DockerEngine, home: Path) -> tuple[ReleaseSpec, Unit]:
    build = BuildSpec(str(uuid.uuid4()), str(uuid.uuid4()), "project", LIMITS)
    source = home / "deployments" / build.deployment_id / "source"
    source.mkdir(parents=True)
    for name, content in APP.items():
        (source / name).write_text(content)
    built = await engine.build(build, report)
    release = ReleaseSpec(
        deployment_id=build.deployment_id,
        service_id=build.service_id,
        project_id="project",
        build_id=build.deployment_id,
        command=built.command,
        limits=LIMITS,
        env={"TOKEN": "kept"},
    )
    await engine.start(release, report)
    return release, await engine.wait_healthy(release, report, timeout=60)


async def story(daemon: Daemon, home: Path) -> None:
    engine = DockerEngine(
        DockerEngineSettings(home=home, host=daemon.host, secret=os.urandom(32), port_range=(20000, 20100))
    )
    running, unit = await released(engine, home)
    stopped, _ = await released(engine, home)
    await engine.stop(stopped.deployment_id)
    await engine.collect_logs()

    daemon.kill()
    with pytest.raises(EngineError, match="Docker does not answer"):
        await engine.units()
    daemon.start()

    deadline = time.monotonic() + 90
    while True:
        found = await patiently(engine, running.deployment_id)
        assert found is not None
        if found.state is UnitState.RUNNING and found.listening and found.pid != unit.pid:
            break
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.2)
    assert found.address == unit.address, "the edge's route still holds"
    assert '"TOKEN": "kept"' in (await get(found.address, "/env")).text
    other = await patiently(engine, stopped.deployment_id)
    assert other is not None
    assert other.state is UnitState.STOPPED
    await engine.restart(stopped.deployment_id)
    await engine.wait_healthy(stopped, report, timeout=60)
    page = await engine.read_log(running.service_id, after=None, limit=100)
    assert [line.text for line in page.lines].count("listening on 8080") == 2
    for release in (running, stopped):
        await engine.remove_service(release.service_id)
    assert await engine.units() == []


def main(folder: Path, archive: Path) -> None:
    daemon = Daemon(folder)
    daemon.start()
    try:
        client = APIClient(daemon.host, version="auto")
        with archive.open("rb") as image:
            client.load_image(image)
        client.close()
        asyncio.run(story(daemon, folder / "home"))
    finally:
        daemon.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
