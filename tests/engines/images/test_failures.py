"""Builds that fail, hang, flood, fill the disk or are cut short: each ends in words, and leaves nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest
from docker.errors import ImageNotFound

from backend.engines.base import BuildSpec, EngineError, Retry
from tests.engines.images.conftest import Yard

BASE = "FROM python:3.12-slim\n"
CMD = 'CMD ["true"]\n'


def exists(yard: Yard, spec: BuildSpec) -> bool:
    try:
        yard.image(spec)
    except ImageNotFound:
        return False
    return True


async def settled(yard: Yard) -> None:
    """The daemon has ended what it ran."""
    deadline = time.monotonic() + 30
    while yard.containers():
        assert time.monotonic() < deadline, yard.containers()
        await asyncio.sleep(0.2)


async def running(yard: Yard) -> None:
    deadline = time.monotonic() + 60
    while not any(found["State"] == "running" for found in yard.containers()):
        assert time.monotonic() < deadline, yard.lines
        await asyncio.sleep(0.05)


async def test_own_dockerfile(yard: Yard) -> None:
    own = (
        "# syntax=docker/dockerfile:1\nARG VERSION=3.12\n"
        "FROM --platform=$BUILDPLATFORM python:${VERSION}-slim AS made\n"
        "RUN --mount=type=cache,target=/x echo one \\\n  # a remark\n  && echo two > /made\n"
        'FROM scratch\nCOPY --link --from=made /made /made\nCOPY . /tree\nCMD ["/made", "it\'s"]\n'
    )
    ignore = "*\n!kept\n!sub/**\nsub/secret\n"
    files = {
        "Dockerfile": own,
        ".dockerignore": ignore,
        "kept": "1",
        "left": "1",
        "sub/a": "1",
        "sub/secret": "1",
    }
    spec, built = await yard.build(files)
    assert (built.kind, built.command) == ("dockerfile", "")
    image = yard.image(spec)
    assert image["Config"]["Cmd"] == ["/made", "it's"]
    assert built.size_bytes < 10_000
    made = yard.client.create_container(image["Id"])["Id"]
    try:
        stream, _ = yard.client.get_archive(made, "/tree")
        names = subprocess.run(["tar", "-t"], input=b"".join(stream), capture_output=True, check=True).stdout
    finally:
        yard.client.remove_container(made)
    kept = {name for name in names.decode().split() if not name.endswith("/")}
    assert kept == {"tree/kept", "tree/sub/a"}
    assert "one" in yard.lines
    assert not any("gavan" in line for line in yard.lines)


@pytest.mark.parametrize(
    ("own", "detail"),
    [
        ("RUN true\n", "dockerfile_invalid"),
        (BASE + "NONSENSE\n", "dockerfile_invalid"),
        (BASE + "COPY missing /\n", "builder_refused"),
        ("FROM gavan/shop:1\n", "image_forbidden"),
        ("FROM 3f\n", "image_forbidden"),
        (BASE + "ADD http://127.0.0.1/x /x\n", "dockerfile_invalid"),
    ],
)
async def test_dockerfiles_that_cannot_be_built(yard: Yard, own: str, detail: str) -> None:
    error = await yard.failing({"Dockerfile": own})
    assert (error.code, error.parameters["detail"], error.retry) == ("build_failed", detail, Retry.NEVER)


async def test_a_failing_command(yard: Yard) -> None:
    error = await yard.failing({"Dockerfile": BASE + "RUN echo it will fail >&2; exit 3\n"})
    assert error.code == "build_failed"
    assert error.parameters["exit_status"] == 3
    assert "RUN echo" in error.message
    assert "it will fail" in yard.lines
    await settled(yard)


async def test_memory_is_limited(yard: Yard) -> None:
    hog = "RUN python3 -c 'bytearray(3 << 30)'\n"
    error = await yard.failing({"Dockerfile": BASE + hog})
    assert error.parameters["because"] == "killed"


async def test_a_build_that_hangs(yard: Yard) -> None:
    yard.images = yard.with_settings(build_timeout=4)
    began = time.monotonic()
    error = await yard.failing({"Dockerfile": BASE + "RUN echo here; sleep 1000\n"})
    assert error.code == "build_timeout"
    assert time.monotonic() - began < 25
    assert "here" in yard.lines
    assert yard.containers() == []


async def test_a_flood_of_output(yard: Yard) -> None:
    spec, _ = await yard.build({"Dockerfile": BASE + "RUN yes | head -c 30000000; echo the end\n" + CMD})
    assert exists(yard, spec)
    assert len(yard.lines) < 4200
    assert "the end" in yard.lines


async def test_a_build_that_fills_the_disk(yard: Yard) -> None:
    yard.images = yard.with_settings(build_max_bytes=60 * 2**20)
    fills = "RUN head -c 400M /dev/zero > /big; sleep 60\n"
    error = await yard.failing({"Dockerfile": BASE + fills})
    assert error.code == "build_too_large"
    assert yard.containers() == []


async def test_an_image_larger_than_the_plan(yard: Yard) -> None:
    spec = yard.spec({"Dockerfile": BASE + "RUN head -c 30M /dev/zero > /big\n" + CMD}, disk_bytes=20 * 2**20)
    with pytest.raises(EngineError) as caught:
        await yard.images.build(spec, yard.report)
    assert caught.value.code == "build_too_large"
    assert not exists(yard, spec)


async def test_cancellation_ends_the_build(yard: Yard) -> None:
    spec = yard.spec({"Dockerfile": BASE + "RUN sleep 1000\n" + CMD})
    building = asyncio.create_task(yard.images.build(spec, yard.report))
    await running(yard)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert yard.containers() == []
    assert not exists(yard, spec)


async def test_two_at_once_are_one(yard: Yard) -> None:
    spec = yard.spec({"Dockerfile": BASE + "RUN sleep 1; echo ran\n" + CMD})
    first, second = await asyncio.gather(*(yard.images.build(spec, yard.report) for _ in range(2)))
    assert first == second
    assert yard.lines.count("ran") == 1


KILLED = """
import asyncio, sys
from pathlib import Path
from backend.engines.base import BuildSpec, Limits
from backend.engines.docker.client import Daemon
from backend.engines.docker.images import Images
from backend.engines.docker.settings import DockerEngineSettings
from backend.engines.layout import Layout

async def report(line):
    pass

home, host, instance, project, service, deployment = sys.argv[1:]
settings = DockerEngineSettings(home=Path(home), host=host)
images = Images(settings, Layout(Path(home)), Daemon(host), instance)
limits = Limits(512 << 20, 512 << 20, 1000, 200)
asyncio.run(images.build(BuildSpec(deployment, service, project, limits), report))
"""


async def test_kill_in_the_middle(yard: Yard) -> None:
    spec = yard.spec({"Dockerfile": BASE + "RUN echo first > /first\nRUN sleep 6; echo second\n" + CMD})
    words = [str(yard.layout.home), yard.settings.host, yard.instance]
    words += [spec.project_id, spec.service_id, spec.deployment_id]
    child = subprocess.Popen([sys.executable, "-c", KILLED, *words])
    await running(yard)
    await asyncio.sleep(2.5)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    await settled(yard)
    assert not exists(yard, spec)
    built = await yard.images.build(spec, yard.report)
    assert exists(yard, spec)
    assert await yard.images.build(spec, yard.report) == built


async def test_removal(yard: Yard) -> None:
    spec, _ = await yard.build({"Dockerfile": BASE + "RUN echo a > /a\n" + CMD})
    other = BuildSpec("other", spec.service_id, spec.project_id, spec.limits)
    yard.client.tag(yard.image(spec)["Id"], f"gavan/{spec.service_id}", "other")
    await yard.images.remove("unknown")
    assert exists(yard, spec)
    await yard.images.remove(spec.deployment_id)
    assert not exists(yard, spec)
    assert not exists(yard, other), "a name of the same image goes with it"
    again, _ = await yard.build({"Dockerfile": BASE + CMD})
    await yard.images.remove_service(again.service_id)
    assert not exists(yard, again)
    await yard.images.prune()


async def test_no_daemon(yard: Yard) -> None:
    yard.images = yard.with_settings(host="unix:///nonexistent/docker.sock")
    error = await yard.failing({"Dockerfile": BASE + CMD})
    assert (error.code, error.retry) == ("engine_unavailable", Retry.BACKOFF)


async def test_pruning_touches_only_what_is_left_over(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    own = BASE + "AS one\nRUN echo a > /a\n" + BASE + "COPY --from=one /a /a\n" + CMD
    spec, _ = await yard.build({"Dockerfile": own.replace("slim\nAS", "slim AS")})
    labels = {"gavan.instance": yard.instance}
    left = yard.client.create_container("python:3.12-slim", ["true"], labels=labels)["Id"]
    release = yard.client.create_container(
        "python:3.12-slim", ["true"], labels={**labels, "com.docker.swarm.task": ""}
    )["Id"]
    other = yard.client.create_container("python:3.12-slim", ["true"])["Id"]
    layers = {"label": f"gavan.instance={yard.instance}", "dangling": True}
    try:
        await yard.images.prune()
        assert left in {found["Id"] for found in yard.containers()}, "it is young"
        assert yard.client.images(filters=layers)
        monkeypatch.setattr("backend.engines.docker.images.CACHE_HOURS", 0)
        yard.images = yard.with_settings(build_timeout=-10)
        deadline = time.monotonic() + 20
        while yard.client.images(filters=layers):  # Times are whole seconds, and others prune too.
            await yard.images.prune()
            assert time.monotonic() < deadline
            await asyncio.sleep(0.5)
        assert {found["Id"] for found in yard.containers()} == {release}
        assert exists(yard, spec)
    finally:
        for identity in (release, other):
            yard.client.remove_container(identity)
