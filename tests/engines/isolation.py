"""The story of `test_isolation`, told inside its namespaces: `isolation FOLDER ARCHIVE-OF-THE-BASE-IMAGE`.

A node with what a panel has on it, around it what must not be reached, and one host that may be.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
from docker import APIClient

from backend.engines import unitlog
from backend.engines.base import BuildSpec, EngineError, Limits, ReleaseSpec, Unit
from backend.engines.docker import template
from backend.engines.docker.engine import DockerEngine
from backend.engines.docker.settings import DockerEngineSettings
from tests.engines import outside
from tests.engines.daemonlife import Daemon

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(memory_bytes=128 * 2**20, disk_bytes=128 * 2**20, cpu_millis=1000, pids=100)
NODE, ROUTER, RESOLVER = "198.51.100.2", "198.51.100.1", outside.RESOLVER
METADATA = "169.254.169.254"
AROUND = (RESOLVER, METADATA, "172.16.0.5", "192.168.7.7", "100.64.0.7", "168.63.129.16", outside.ALLOWED)
DATABASE, BROKER, API, SSH = 5432, 6379, 8000, 22
SWARM, GOSSIP, VXLAN = 2377, 7946, 4789
SERVER = """
import json, os, socket, subprocess, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(b"fine")
    def do_POST(self):
        scope = dict(globals())
        code = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            exec(code, scope)
        except Exception as error:
            scope["result"] = repr(error)
        self.answer(json.dumps(scope.get("result")).encode())
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): ...
if __name__ == "__main__":
    print("listening", flush=True)
    ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""
DOCKERFILE = 'FROM python:3.12-slim\nCOPY . /app\nWORKDIR /app\nUSER 1000\nCMD ["python3", "server.py"]\n'
TRY = """
from concurrent.futures import ThreadPoolExecutor
def reached(target):
    kind, host, port = target
    try:
        return tcp(host, port) if kind == "tcp" else udp(host, port)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
def tcp(host, port):
    socket.create_connection((host, port), 2).close()
    return True
def udp(host, port):
    # The kernel says but once a second that something is prohibited.
    for _ in range(5):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
            trial.settimeout(1.1)
            trial.connect((host, port))
            trial.send(b"x")
            try:
                trial.recv(1)
            except TimeoutError:
                continue
    return True
with ThreadPoolExecutor(40) as pool:
    result = [target for target, got in zip(targets, pool.map(reached, targets)) if got]
"""
Target = tuple[str, str, int]


class World:
    """The node and what lies around it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        sh("ip link set lo up && ip link add node type veth peer name around")
        self.around = subprocess.Popen(
            ["unshare", "--net", sys.executable, "-m", "tests.engines.outside"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self.around.stdin
        assert self.around.stdout
        assert self.around.stdout.readline() == b"ready\n"
        sh(f"ip link set around netns {self.around.pid}")
        addresses = " && ".join(f"ip addr add {address}/32 dev around" for address in AROUND)
        inside = (
            f"ip link set lo up && ip addr add {ROUTER}/24 dev around && ip link set around up && {addresses}"
        )
        sh(f"nsenter --net=/proc/{self.around.pid}/ns/net sh -c '{inside}'")
        self.around.stdin.write(b"\n")
        self.around.stdin.flush()
        sh(f"ip addr add {NODE}/24 dev node && ip link set node up && ip route add default via {ROUTER}")
        # Of this mount namespace alone.
        for path, content in (
            ("/etc/resolv.conf", f"nameserver {RESOLVER}\n"),
            ("/etc/subuid", "nobody:100000:65536\n"),
            ("/etc/subgid", "nobody:100000:65536\n"),
        ):
            own = folder / Path(path).name
            own.write_text(content)
            sh(f"touch {path} && mount --bind {own} {path}")
        outside.serve(DATABASE, BROKER, API, SSH)

    def firewall(self, *words: str) -> None:
        env = {**os.environ, "DOCKER_HOST": f"unix://{self.folder}/sock"}
        subprocess.run([ROOT / "node" / "firewall", *words], check=True, env=env)


def sh(line: str) -> None:
    subprocess.run(["sh", "-c", line], check=True)


def own_address(interface: str) -> str:
    shown = subprocess.run(["ip", "-json", "addr", "show", interface], check=True, capture_output=True).stdout
    [link] = json.loads(shown)
    return next(str(known["local"]) for known in link["addr_info"] if known["family"] == "inet")


class Node:
    """The engine on a daemon of its own that remaps users."""

    OPTIONS = (
        "--no-new-privileges",
        "--userns-remap=nobody:nogroup",
        "--default-address-pool=base=10.201.0.0/16,size=24",
    )

    def __init__(self, daemon: Daemon, home: Path) -> None:
        self.daemon, self.home = daemon, home
        self.engine = DockerEngine(
            DockerEngineSettings(
                home=home,
                host=daemon.host,
                secret=os.urandom(32),
                swarm_address=NODE,
                port_range=(20000, 20100),
            )
        )
        self.lines: list[str] = []

    async def report(self, line: str) -> None:
        self.lines.append(line)

    async def build(self, project: str, dockerfile: str = DOCKERFILE) -> BuildSpec:
        build = BuildSpec(str(uuid.uuid4()), str(uuid.uuid4()), project, LIMITS)
        source = self.home / "deployments" / build.deployment_id / "source"
        source.mkdir(parents=True)
        (source / "Dockerfile").write_text(dockerfile)
        (source / "server.py").write_text(SERVER)
        await self.engine.build(build, self.report)
        return build

    async def run(self, project: str) -> tuple[ReleaseSpec, Unit]:
        build = await self.build(project)
        release = ReleaseSpec(
            deployment_id=build.deployment_id,
            service_id=build.service_id,
            service_name=f"app-{project}-{build.service_id[:4]}",
            project_id=project,
            build_id=build.deployment_id,
            command="",
            limits=LIMITS,
            env={"TOKEN": "kept"},
        )
        await self.engine.start(release, self.report)
        return release, await self.engine.wait_healthy(release, self.report, timeout=60)


async def inside(unit: Unit, code: str, timeout: float = 30) -> Any:
    """What `result` is after running the code in the unit's container."""
    async with httpx.AsyncClient(timeout=timeout) as client:
        answer = await client.post(f"http://{unit.address}/", content=code)
        return answer.json()


async def reached(unit: Unit, targets: list[Target]) -> set[Target]:
    return {tuple(found) for found in await inside(unit, f"targets = {targets!r}\n{TRY}")}  # type: ignore[misc]


def forbidden(client: APIClient, own: str, neighbour: Unit) -> list[Target]:
    """All that neither a tenant nor a build may reach."""
    gateways = [own_address(name) for name in ("docker0", "docker_gwbridge")]
    others = client.inspect_network("docker_gwbridge")["Containers"]
    containers = [others[name]["IPv4Address"].partition("/")[0] for name in others if name != own]
    host, _, port = neighbour.address.rpartition(":")
    tcp = [
        (host, int(port)),
        *((address, 8080) for address in containers),
        *((address, 80) for address in AROUND if address != outside.ALLOWED),
        (RESOLVER, DATABASE),
        *(
            (address, at)
            for address in (NODE, *gateways)
            for at in (DATABASE, BROKER, API, SSH, SWARM, GOSSIP)
        ),
    ]
    udp = [(NODE, VXLAN), (NODE, GOSSIP), (gateways[1], VXLAN)]
    return [*(("udp", *target) for target in udp), *(("tcp", *target) for target in tcp)]


async def story(world: World, node: Node) -> None:
    clock = Clock()
    attacker, at = await node.run("one")
    sibling, _ = await node.run("one")
    neighbour, beside = await node.run("two")
    clock.say("three releases")
    client = APIClient(node.daemon.host, version="auto")
    [own] = client.containers(filters={"label": [f"gavan.deployment={attacker.deployment_id}"]})
    targets = forbidden(client, own["Id"], beside)
    assert "name=userns" in client.info()["SecurityOptions"]
    codes = {caution.code for caution in (await node.engine.info()).warnings}
    assert "network_open" in codes
    assert "root_is_root" not in codes

    # The rules were there before the daemon started anew.
    assert (found := await reached(at, targets)) == set(), found
    allowed: list[Target] = [("tcp", outside.ALLOWED, 80)]
    assert await reached(at, allowed) == set(allowed)
    clock.say("nothing forbidden is reached")
    await node.engine.examine()
    assert "network_open" not in {caution.code for caution in (await node.engine.info()).warnings}
    clock.say("proven")

    world.firewall("remove")
    open_now = await reached(at, targets)
    for target in (METADATA, 80), (RESOLVER, DATABASE), (NODE, DATABASE), (NODE, SWARM), (NODE, SSH):
        assert ("tcp", *target) in open_now, "else the test proves nothing"
    world.firewall("apply")
    clock.say("taken away and put back")

    await names_are_of_one_project(at, sibling, neighbour)
    clock.say("names")
    await builds_reach_nothing(node, [*targets, *allowed], set(allowed))
    clock.say("a build")
    await harm_stays_at_home(node, client, attacker, at, beside)
    clock.say("bombs, hogs and floods")
    services = {release.service_id for release in (attacker, sibling, neighbour)}
    await asyncio.gather(*(node.engine.remove_service(service_id) for service_id in services))
    await node.engine.reap(set())
    left = [network["Name"] for network in client.networks() if network["Name"].startswith("gavan-")]
    assert left == []
    assert client.services() == client.secrets() == []
    clock.say("nothing is left")


async def names_are_of_one_project(at: Unit, sibling: ReleaseSpec, neighbour: ReleaseSpec) -> None:
    ask = (
        "try: result = socket.create_connection(({name!r}, 8080), 3) is not None\n"
        "except OSError: result = False"
    )
    assert await inside(at, ask.format(name=sibling.service_name)) is True
    assert await inside(at, ask.format(name=neighbour.service_name)) is False
    lookup = "result = socket.gethostbyname('outside.test')"
    assert await inside(at, lookup) == outside.ALLOWED


async def builds_reach_nothing(node: Node, targets: list[Target], expected: set[Target]) -> None:
    code = f"import json, socket\ntargets = {targets!r}\n{TRY}\nprint('reached', json.dumps(result))"
    argument = json.dumps(["python3", "-c", code])
    node.lines.clear()
    await node.build("one", f"FROM python:3.12-slim\nRUN {argument}\nCMD []\n")
    [found] = [line for line in node.lines if line.startswith("reached ")]
    assert {tuple(target) for target in json.loads(found.removeprefix("reached "))} == expected


async def harm_stays_at_home(
    node: Node, client: APIClient, attacker: ReleaseSpec, at: Unit, beside: Unit
) -> None:
    times: list[float] = []

    async def visit() -> None:
        async with httpx.AsyncClient(timeout=5) as visitor:
            while True:
                began = time.monotonic()
                assert (await visitor.get(f"http://{beside.address}/")).text == "fine"
                times.append(time.monotonic() - began)
                await asyncio.sleep(0.02)

    visiting = asyncio.create_task(visit())
    try:
        bomb = (
            "made = []\ntry:\n  while len(made) < 5000: made.append(subprocess.Popen(['sleep', '9']))\n"
            "except OSError: pass\nfor one in made: one.kill()\nresult = len(made)"
        )
        assert await inside(at, bomb) < LIMITS.pids
        flood = "line = 'x' * 1000\nend = time.monotonic() + 3\nwhile time.monotonic() < end: print(line)"
        await inside(at, flood)
        await node.engine.collect_logs()
        own = client.containers(filters={"label": [f"gavan.deployment={attacker.deployment_id}"]})[0]["Id"]
        logs = Path(client.inspect_container(own)["LogPath"]).parent.glob("*-json.log*")
        assert sum(path.stat().st_size for path in logs) < (template.LOG_FILES + 1) * template.LOG_BYTES
        kept = (node.home / "logs" / attacker.service_id).iterdir()
        assert sum(path.stat().st_size for path in kept) < (unitlog.ROTATE_FILES + 2) * unitlog.ROTATE_BYTES
        fill = (
            "result = []\nfor path in ('/app/x', '/tmp/x', '/dev/shm/x', '/x'):\n  try:\n"
            "    with open(path, 'wb') as file:\n      for _ in range(300): file.write(bytes(1 << 20))\n"
            "    result.append(path)\n  except OSError: pass\n  if os.path.exists(path): os.unlink(path)"
        )
        with contextlib.suppress(httpx.HTTPError):
            assert await inside(at, fill) == []
        with contextlib.suppress(httpx.HTTPError):
            await inside(at, "hog = []\nwhile True: hog.append(bytes(1 << 24))")
        with contextlib.suppress(EngineError):
            await node.engine.wait_healthy(attacker, node.report, timeout=20)
    finally:
        visiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await visiting
    assert len(times) > 50
    times.sort()
    print(
        f"  the neighbour: {len(times)} answers, half below {times[len(times) // 2] * 1e3:.1f} ms, "
        f"the slowest {times[-1] * 1e3:.0f} ms",
        flush=True,
    )
    assert times[int(len(times) * 0.95)] < 0.5
    assert times[-1] < 3


class Clock:
    def __init__(self) -> None:
        self.began = time.monotonic()

    def say(self, what: str) -> None:
        print(f"{time.monotonic() - self.began:5.1f} s  {what}", flush=True)


def main(folder: Path, archive: Path) -> None:
    world = World(folder)
    daemon = Daemon(folder, Node.OPTIONS)
    clock = Clock()
    daemon.start()
    world.firewall("apply")
    daemon.stop()
    daemon.start()
    try:
        client = APIClient(daemon.host, version="auto")
        with archive.open("rb") as image:
            client.load_image(image)
        client.close()
        clock.say("a daemon, started twice")
        asyncio.run(story(world, Node(daemon, folder / "home")))
    finally:
        # Its namespaces go with it.
        daemon.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
