"""What it costs to measure 100 containers: the share of one CPU, beside asking the daemon for the same.

Containers that sleep, of a Docker daemon for tests (GAVAN_TEST_DOCKER_HOST). The panel's own way is the
engine's: it reads cgroups, and asks the daemon only when containers came or went. The other is the
daemon's API, as `docker stats --no-stream` has it. Counted is the CPU time of this process and the daemon.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound

from backend.engines.docker import insight, names, whose
from backend.engines.docker.client import Daemon
from backend.engines.docker.insight import Insight
from benchmarks.report import Result, Unable, middle

CONTAINERS = 100
EVERY_SECONDS = 15
ROUNDS = 7
IMAGE = "debian:stable-slim"
_TICKS = os.sysconf("SC_CLK_TCK")


def run() -> Result:
    host = os.environ.get("GAVAN_TEST_DOCKER_HOST", "")
    if not host:
        raise Unable("GAVAN_TEST_DOCKER_HOST names no Docker daemon for tests")
    try:
        client = APIClient(host, version="auto", timeout=60)
        client.inspect_image(IMAGE)
    except ImageNotFound as error:
        raise Unable(f"the daemon has no image {IMAGE}") from error
    except (DockerException, OSError) as error:
        raise Unable("no Docker daemon answers") from error
    instance = uuid.uuid4().hex[:12]
    with _sleeping(client, instance) as containers:
        return asyncio.run(_measure(host, client, instance, containers))


@contextmanager
def _sleeping(client: APIClient, instance: str) -> Iterator[list[str]]:
    """Containers labelled as releases are; the names that Swarm would give are left out."""
    made: list[str] = []
    service, deployment = str(uuid.uuid4()), str(uuid.uuid4())
    labels = names.labels(instance, service=service, deployment=deployment)
    limits = client.create_host_config(network_mode="none", mem_limit=64 * 2**20)

    def begin(_: int) -> None:
        container = client.create_container(IMAGE, ["sleep", "3600"], labels=labels, host_config=limits)["Id"]
        made.append(container)
        client.start(container)

    def end(container: str) -> None:
        try:
            client.remove_container(container, force=True, v=True)
        except APIError as error:
            print(f" {error.explanation}", end="")

    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(begin, range(CONTAINERS)))
        yield made
    finally:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(end, made))


async def _measure(host: str, client: APIClient, instance: str, containers: list[str]) -> Result:
    engine = Insight(Daemon(host), instance)
    given = whose.unit_of
    # Plain containers have no name of Swarm's; all else is as it is.
    insight.whose.unit_of = lambda _, container: whose.UnitIds(  # type: ignore[assignment]
        container["Labels"]["gavan.deployment"], container["Labels"]["gavan.service"]
    )
    try:
        first = await engine.stats()
        if len(first) != len(containers):
            raise Unable("the daemon's cgroups are not to be seen from here")
        own = [await _cost(client, engine.stats) for _ in range(ROUNDS)]
    finally:
        insight.whose.unit_of = given

    threads = ThreadPoolExecutor(32)

    async def by_api() -> None:
        loop = asyncio.get_running_loop()
        asked = (
            loop.run_in_executor(threads, partial(client.stats, one, stream=False, one_shot=True))
            for one in containers
        )
        await asyncio.gather(*asked)

    peer = [await _cost(client, by_api) for _ in range(3)]
    threads.shutdown()
    cpu, wall = (middle([one[place] for one in own]) for place in (0, 1))
    peer_cpu, peer_wall = (middle([one[place] for one in peer]) for place in (0, 1))
    share = cpu / EVERY_SECONDS * 100
    return Result(
        "metrics_cost",
        share,
        "% of one CPU for 100 containers",
        cpu / peer_cpu if peer_cpu else None,
        "below 1 %",
        ROUNDS,
        [
            ("a round: CPU, and from beginning to end", f"{cpu * 1000:.1f} ms, {wall * 1000:.1f} ms"),
            ("the same by the daemon's API", f"{peer_cpu * 1000:.1f} ms, {peer_wall * 1000:.1f} ms"),
            ("the API's share of one CPU", f"{peer_cpu / EVERY_SECONDS * 100:.2f} %"),
        ],
    )


async def _cost(client: APIClient, work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """CPU seconds of this process and of the daemon, and seconds from beginning to end."""
    daemon = _daemon_pid(client)
    began, used = time.monotonic(), time.process_time() + _used_by(daemon)
    await work()
    return time.process_time() + _used_by(daemon) - used, time.monotonic() - began


def _daemon_pid(client: APIClient) -> int | None:
    """Of a daemon of this machine."""
    root = str(client.info()["DockerRootDir"])
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"dockerd") and (root.encode() in words or root == "/var/lib/docker"):
                return int(folder.name)
    return None


def _used_by(pid: int | None) -> float:
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
