"""A real apps' supervisord on a home of its own, a real git server, and the engine between them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from backend.engines import processes
from backend.engines.base import (
    BuildSpec,
    Built,
    Engine,
    Fetched,
    FetchSpec,
    Limits,
    ProcessEngineSettings,
    ReleaseSpec,
    Unit,
)
from backend.engines.docker.engine import DockerEngine
from backend.engines.docker.settings import DockerEngineSettings
from backend.engines.docker.template import PORT
from backend.engines.layout import instance_of
from backend.engines.process import ProcessEngine
from backend.engines.supervisor import render_config
from tests.engines.containers import Containers, contained
from tests.support.dockerhost import docker_host
from tests.support.gitserver import GitServer
from tests.support.ports import app_ports

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(memory_bytes=512 * 2**20, disk_bytes=256 * 2**20, cpu_millis=1000, pids=200)


class Apps:
    """The supervisord of the apps; `kill` is `kill -9`, and leaves its children."""

    def __init__(self, home: Path, secret: bytes, prefix: list[str]) -> None:
        self.home, self._secret, self._prefix = home, secret, prefix
        self.socket = home / "s.sock"
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("units", "logs"):
            (home / name).mkdir(parents=True, exist_ok=True)
        (home / "supervisord.conf").write_text(render_config(home, self.socket))

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> None:
        env = {**os.environ, "ENGINE_SECRET": base64.b64encode(self._secret).decode()}
        self._process = subprocess.Popen(
            [
                *self._prefix,
                sys.executable,
                "-m",
                "supervisor.supervisord",
                "-c",
                str(self.home / "supervisord.conf"),
            ],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while not self._listens():
            assert self._process.poll() is None, (self.home / "supervisord.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _listens(self) -> bool:
        """The socket's file is there a moment before anybody listens."""
        with socket.socket(socket.AF_UNIX) as trial:
            return trial.connect_ex(str(self.socket)) == 0

    def left(self, deployment_id: str) -> list[str]:
        """Of one deployment: folders, programs, processes."""
        paths = (self.home / "deployments" / deployment_id, self.home / "units" / f"{deployment_id}.conf")
        found = [str(path) for path in paths if path.exists()]
        return found + [str(pid) for pid in processes.marked(lambda value: deployment_id in value)]

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()
        self.socket.unlink(missing_ok=True)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()


@dataclass
class Panel:
    """An engine with what surrounds it; `lines` is all that was reported."""

    engine: Engine
    settings: ProcessEngineSettings | DockerEngineSettings
    place: Apps | Containers
    git: GitServer
    lines: list[str] = field(default_factory=list)

    @property
    def apps(self) -> Apps:
        """Of the process engine."""
        assert isinstance(self.place, Apps)
        return self.place

    @property
    def containers(self) -> Containers:
        """Of the docker engine."""
        assert isinstance(self.place, Containers)
        return self.place

    async def report(self, line: str) -> None:
        self.lines.append(line)

    def with_settings(self, **changes: object) -> Engine:
        settings = replace(self.settings, **changes)  # type: ignore[arg-type]
        if isinstance(settings, ProcessEngineSettings):
            return ProcessEngine(settings)
        return DockerEngine(settings)

    def fetch_spec(self, url: str, *, ref: str | None = None, service: str | None = None) -> FetchSpec:
        return FetchSpec(str(uuid.uuid4()), service or str(uuid.uuid4()), url, ref)

    async def fetch(self, url: str, **rest: str | None) -> tuple[FetchSpec, Fetched]:
        spec = self.fetch_spec(url, **rest)
        return spec, await self.engine.fetch(spec, self.report)

    def port_inside(self, unit: Unit) -> str:
        """What the app is told to listen on."""
        return unit.address.rpartition(":")[2] if isinstance(self.place, Apps) else str(PORT)

    async def build(
        self, files: Mapping[str, object], *, service: str | None = None, **limits: int
    ) -> tuple[FetchSpec, Built]:
        name = f"r{uuid.uuid4().hex}"
        self.git.commit(name, files)  # type: ignore[arg-type]
        spec, _ = await self.fetch(self.git.url(name), service=service)
        return spec, await self.engine.build(self.build_spec(spec, **limits), self.report)

    def build_spec(self, spec: FetchSpec, **limits: int) -> BuildSpec:
        return BuildSpec(spec.deployment_id, spec.service_id, "project", replace(LIMITS, **limits))

    def release(
        self,
        spec: FetchSpec,
        built: Built,
        env: Mapping[str, str] | None = None,
        *,
        health_path: str = "/",
        **limits: int,
    ) -> ReleaseSpec:
        return ReleaseSpec(
            deployment_id=spec.deployment_id,
            service_id=spec.service_id,
            project_id="project",
            build_id=spec.deployment_id,
            command=built.command,
            limits=replace(LIMITS, **limits),
            env=env or {},
            health_path=health_path,
        )

    async def run(
        self, files: Mapping[str, object], env: Mapping[str, str] | None = None, **limits: int
    ) -> tuple[ReleaseSpec, Unit]:
        """Fetch, build, start and wait until it serves."""
        spec, built = await self.build(files)
        release = self.release(spec, built, env, **limits)
        await self.engine.start(release, self.report)
        return release, await self.engine.wait_healthy(release, self.report, timeout=60)


def supervised(secret: bytes, prefix: list[str]) -> Iterator[Apps]:
    # Short, for a unix socket's path is.
    home = Path(tempfile.mkdtemp(prefix="engine-"))
    apps = Apps(home, secret, prefix)
    apps.start()
    try:
        yield apps
    finally:
        apps.stop()
        # What a failed test left, its supervisord killed.
        instance = instance_of(home.resolve())
        for pid in processes.marked(lambda value: value.endswith(f"@{instance}")):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def secret() -> bytes:
    return os.urandom(32)


@pytest.fixture(scope="session")
def git() -> Iterator[GitServer]:
    with GitServer() as server:
        yield server


@pytest.fixture(scope="module")
def apps(secret: bytes) -> Iterator[Apps]:
    yield from supervised(secret, [])


@pytest.fixture
def make_panel(git: GitServer, secret: bytes) -> Callable[[Apps], Panel]:
    def make(apps: Apps) -> Panel:
        settings = ProcessEngineSettings(
            home=apps.home,
            supervisor_socket=apps.socket,
            secret=secret,
            allowed_private=(git.address,),
            fetch_timeout=20,
            fetch_max_bytes=8 * 2**20,
            build_timeout=60,
            port_range=app_ports(),
        )
        return Panel(ProcessEngine(settings), settings, apps, git)

    return make


@pytest.fixture(scope="session")
def containers() -> Iterator[Containers]:
    yield from contained(docker_host())


every_engine = pytest.mark.parametrize("panel", ["process", "docker"], indirect=True)
"""For tests of the contract: `panel` is then made of each engine, else of `process`."""


def docker_panel(request: pytest.FixtureRequest) -> Panel:
    containers: Containers = request.getfixturevalue("containers")
    git: GitServer = request.getfixturevalue("git")
    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    settings = DockerEngineSettings(
        home=containers.home,
        ca_bundle=Path(bundle) if bundle else None,
        host=containers.host,
        secret=request.getfixturevalue("secret"),
        allowed_private=(git.address,),
        fetch_timeout=20,
        fetch_max_bytes=8 * 2**20,
        build_timeout=120,
        port_range=app_ports(),
    )
    return Panel(DockerEngine(settings), settings, containers, git)


@pytest.fixture
async def panel(request: pytest.FixtureRequest, make_panel: Callable[[Apps], Panel]) -> AsyncIterator[Panel]:
    """On the module's supervisord, or Docker; the units that a test leaves are removed."""
    if getattr(request, "param", "process") == "docker":
        panel = docker_panel(request)
    else:
        panel = make_panel(request.getfixturevalue("apps"))
    before = {unit.deployment_id for unit in await panel.engine.units()}
    yield panel
    left = {unit.deployment_id for unit in await panel.engine.units()} - before
    await asyncio.gather(*(panel.engine.remove(deployment_id) for deployment_id in left))
