"""The story of `test_two_nodes`, told inside its namespaces: `twonodes FOLDER ARCHIVE-OF-THE-BASE-IMAGE`.

Two daemons, each with a network of its own, are a swarm; a registry with a login stands beside them. The node
on which an app runs dies by SIGKILL; later the other one is drained.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from docker import APIClient
from docker.errors import DockerException

from backend.engines.base import (
    BuildSpec,
    EngineError,
    Limits,
    ReleaseSpec,
    Unit,
    UnitState,
    VolumeMount,
    VolumeSpec,
)
from backend.engines.docker import names, sweeping
from backend.engines.docker.engine import DockerEngine
from backend.engines.docker.registrylogin import RegistryLogin
from backend.engines.docker.settings import DockerEngineSettings
from backend.engines.nodes import Availability, Node
from tests.engines.app import APP, get

LIMITS = Limits(memory_bytes=128 * 2**20, disk_bytes=128 * 2**20, cpu_millis=500, pids=100)
BRIDGE, NET = "nodes", "198.51.100"
REGISTRY = f"{NET}.1:5000"
USER, PASSWORD = "gavan", "a word between them"


def sh(line: str) -> None:
    subprocess.run(["sh", "-c", line], check=True)


class Machine:
    """A network namespace that a sleeping process holds, and a daemon in it."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.address = folder / f"n{number}", f"{NET}.1{number}"
        self.folder.mkdir()
        self.host = f"unix://{self.folder}/sock"
        self.holder = subprocess.Popen(["unshare", "--net", "--uts", "sleep", "600"])
        time.sleep(0.2)
        enter = f"nsenter --net=/proc/{self.holder.pid}/ns/net"
        sh(
            f"ip link add v{number} type veth peer name eth0 netns {self.holder.pid}"
            f" && ip link set v{number} master {BRIDGE} up"
            f" && {enter} sh -c 'ip link set lo up && ip addr add {self.address}/24 dev eth0"
            f" && ip link set eth0 up && ip route add default via {NET}.1"
            " && sysctl -qw net.ipv4.ip_forward=1'"
        )
        sh(f"nsenter --uts=/proc/{self.holder.pid}/ns/uts hostname node-{number}")
        options = (
            *("--host", self.host, "--data-root", str(self.folder / "data")),
            *("--exec-root", str(self.folder / "exec"), "--pidfile", str(self.folder / "pid")),
            *("--bip", f"172.3{number}.0.1/24"),
            f"--default-address-pool=base=172.4{number}.0.0/16,size=24",
            *("--insecure-registry", REGISTRY, "--no-new-privileges"),
        )
        spaces = f"/proc/{self.holder.pid}/ns"
        inside = ["nsenter", f"--net={spaces}/net", f"--uts={spaces}/uts"]
        log = (folder / "dockerd.log").open("a")
        self.daemon = subprocess.Popen([*inside, "dockerd", *options], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(DockerException):
                self.client = APIClient(self.host, version="auto")
                return
            assert self.daemon.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def kill(self) -> None:
        """As when the power fails: the daemon, its helper, and all that ran in containers."""
        mine = [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdecimal() and self._is_mine(entry)
        ]
        for pid in mine:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        for pid in mine:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.daemon.wait()

    def _is_mine(self, entry: Path) -> bool:
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            return False
        if str(self.folder).encode() in words and b"tests.engines" not in words:
            return True
        with contextlib.suppress(OSError):
            parent = (entry / "status").read_text().partition("PPid:\t")[2].split("\n", 1)[0]
            return str(self.folder).encode() in (Path("/proc") / parent / "cmdline").read_bytes()
        return False


def serve_registry(folder: Path) -> subprocess.Popen[bytes]:
    words = subprocess.run(
        ["htpasswd", "-Bbn", USER, PASSWORD], check=True, capture_output=True, text=True
    ).stdout
    (folder / "htpasswd").write_text(words)
    (folder / "registry.yml").write_text(
        "version: 0.1\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/registry}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '{REGISTRY}', secret: x}}\n"
        f"auth: {{htpasswd: {{realm: here, path: {folder}/htpasswd}}}}\n"
    )
    log = (folder / "registry.log").open("w")
    return subprocess.Popen(
        ["docker-registry", "serve", str(folder / "registry.yml")], stdout=log, stderr=log
    )


class Panel:
    def __init__(self, home: Path, machine: Machine, other: Machine) -> None:
        self.home = home
        self.engine = DockerEngine(
            DockerEngineSettings(
                home=home,
                host=machine.host,
                secret=os.urandom(32),
                swarm_address=machine.address,
                port_range=(20000, 20100),
                shared=RegistryLogin(f"http://{REGISTRY}", USER, PASSWORD),
                node_socket=other.host.removeprefix("unix://"),
            )
        )

    async def report(self, line: str) -> None:
        print(line, flush=True)

    async def run(self) -> tuple[ReleaseSpec, Unit]:
        build = BuildSpec(str(uuid.uuid4()), str(uuid.uuid4()), "project", LIMITS)
        source = self.home / "deployments" / build.deployment_id / "source"
        source.mkdir(parents=True)
        for name, content in APP.items():
            (source / name).write_text(content)
        built = await self.engine.build(build, self.report)
        release = ReleaseSpec(
            deployment_id=build.deployment_id,
            service_id=build.service_id,
            project_id="project",
            build_id=build.deployment_id,
            command=built.command,
            limits=LIMITS,
            env={"TOKEN": "kept"},
        )
        return release, await self.start(release)

    async def start(self, release: ReleaseSpec) -> Unit:
        await self.engine.start(release, self.report)
        return await self.engine.wait_healthy(release, self.report, timeout=90)

    async def node(self, name: str) -> Node:
        return next(node for node in (await self.engine.nodes()).nodes if node.name == name)


async def until(what: str, holds: Callable[[], Awaitable[bool]], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.2)


async def answers(unit: Unit) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return '"TOKEN": "kept"' in (await get(unit.address, "/env")).text
    return False


async def story(folder: Path, first: Machine, second: Machine) -> None:
    clock = Clock()
    panel = Panel(folder / "home", first, second)
    engine = panel.engine
    assert [node.name for node in (await engine.nodes()).nodes] == ["node-1"]
    order = await engine.join_order(rotate=False)
    token = order.command.split()[4]
    second.client.join_swarm([f"{first.address}:2377"], token, advertise_addr=second.address)
    assert (await engine.join_order(rotate=True)).command != order.command
    spec = first.client.inspect_swarm()
    spec["Spec"]["Dispatcher"]["HeartbeatPeriod"] = 10**9
    first.client.update_swarm(spec["Version"]["Index"], swarm_spec=spec["Spec"])
    clock.say("a swarm of two")

    one = await panel.node("node-1")
    two = await panel.node("node-2")
    assert (one.here, one.manager, two.here, two.manager) == (True, True, False, False)
    # All goes to the second, which has no image yet.
    await engine.set_availability(one.id, Availability.DRAIN)
    release, unit = await panel.run()
    assert unit.address.startswith(f"{second.address}:"), unit
    assert await answers(unit)
    two = await panel.node("node-2")
    assert [(placed.deployment_id, placed.running) for placed in two.units] == [(release.deployment_id, True)]
    page = await engine.read_log(release.service_id, after=None, limit=50)
    assert [line.text for line in page.lines].count("listening on 8080") == 1
    clock.say("an app on the other node, its image from the registry, its log through the manager")

    await engine.set_availability(one.id, Availability.ACTIVE)
    await swept(panel, first, second)
    clock.say("old images of ours are gone from the other node, and nobody else's")
    second.kill()
    clock.say("that node is dead")

    async def moved() -> bool:
        [seen] = await engine.release_units(release.deployment_id)
        return (
            seen.state is UnitState.RUNNING
            and seen.address.startswith(f"{first.address}:")
            and bool(seen.listening)
            and await answers(seen)
        )

    await until("the app moved", moved)
    clock.say("the app is on the first node, and its address followed")
    assert (await panel.node("node-2")).state == "down"
    with pytest.raises(EngineError, match="Only a worker that is down"):
        await engine.remove_node(one.id)

    volume_id = await with_a_volume(panel, release, one)
    clock.say("what has a volume waits for its node, and says so")
    await engine.remove_node(two.id)
    assert [node.name for node in (await engine.nodes()).nodes] == ["node-1"]

    image = first.client.images(f"{REGISTRY}/gavan/{engine._instance}/{release.service_id}")
    assert len(image) == 1
    digest = image[0]["RepoDigests"][0].rpartition("@")[2]
    manifest = f"http://{REGISTRY}/v2/gavan/{engine._instance}/{release.service_id}/manifests/{digest}"
    async with httpx.AsyncClient(auth=(USER, PASSWORD)) as client:
        headers = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
        assert (await client.get(manifest, headers=headers)).status_code == 200
        await engine.remove_service(release.service_id)
        assert (await client.get(manifest, headers=headers)).status_code == 404
    assert first.client.images(f"{REGISTRY}/gavan/{engine._instance}/*") == []
    await engine.remove_volume(volume_id)
    clock.say("nothing is left of it, in the registry neither")


async def swept(panel: Panel, first: Machine, second: Machine) -> None:
    """What runs there keeps its image; what ran there does not, once it is old."""
    one = await panel.node("node-1")
    engine = panel.engine
    await engine.set_availability(one.id, Availability.DRAIN)
    old, _ = await panel.run()
    await engine.set_availability(one.id, Availability.ACTIVE)
    await engine.remove(old.deployment_id)
    second.client.import_image_from_data(b"\0" * 1024, "somebody/elses", "1")
    mine = names.mine(engine._instance)
    before = {image["Id"] for image in second.client.images(all=True)}

    async def sweep() -> int | None:
        image = await engine._shared.publish(await engine._images.with_python(), "gavan/tools:1")
        return await engine._sweeping.sweep(image)

    assert await sweep() == 0, "nothing is old"
    assert {image["Id"] for image in second.client.images(all=True)} >= before
    assert await sweep() is None, "once a day"
    sweeping.UNUSED, sweeping.EVERY = "0s", 0
    held = {image["Id"] for image in second.client.images(filters=mine)}

    async def gone() -> bool:
        # Its container may still be on its way out.
        await sweep()
        return len({image["Id"] for image in second.client.images(filters=mine)}) < len(held)

    await until("the old image is gone", gone)
    assert len(second.client.images(filters=mine)) == 1
    assert second.client.images("somebody/elses:1")
    sweeping.EVERY = 86400.0


async def with_a_volume(panel: Panel, release: ReleaseSpec, node: Node) -> str:
    engine = panel.engine
    volume_id = str(uuid.uuid4())
    volume = await engine.ensure_volume(
        VolumeSpec(volume_id, release.service_id, release.project_id, 16 * 2**20)
    )
    assert volume.node == node.id
    pinned = replace(release, volumes=(VolumeMount(volume_id, "/data", volume.node),))
    await engine.stop(release.deployment_id)
    await panel.start(pinned)
    await engine.set_availability(node.id, Availability.DRAIN)

    async def waits() -> bool:
        waiting = (await engine.nodes()).waiting
        return [one.pinned_to for one in waiting] == [node.id]

    await until("it waits", waits)

    async def says_so() -> bool:
        [seen] = await engine.release_units(release.deployment_id)
        return seen.reason is not None and seen.reason.parameters.get("detail") == "node_away"

    await until("it says so", says_so)
    await engine.set_availability(node.id, Availability.ACTIVE)

    async def back() -> bool:
        [seen] = await engine.release_units(release.deployment_id)
        return seen.state is UnitState.RUNNING and bool(seen.listening)

    await until("it is back", back)
    await engine.stop(release.deployment_id)
    return volume_id


class Clock:
    def __init__(self) -> None:
        self.began = time.monotonic()

    def say(self, what: str) -> None:
        print(f"{time.monotonic() - self.began:5.1f} s  {what}", flush=True)


def main(folder: Path, archive: Path) -> None:
    sh(f"ip link add {BRIDGE} type bridge && ip addr add {NET}.1/24 dev {BRIDGE} && ip link set {BRIDGE} up")
    registry = serve_registry(folder)
    machines = [Machine(folder, number) for number in (1, 2)]
    try:
        with archive.open("rb") as image:
            machines[0].client.load_image(image)
        asyncio.run(story(folder, *machines))
    finally:
        registry.kill()
        for machine in machines:
            with contextlib.suppress(OSError):
                machine.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
