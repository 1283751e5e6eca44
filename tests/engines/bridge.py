"""The story of `test_firewall`, told inside its namespaces: `bridge FOLDER TOOL`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.engines import outside
from tests.engines.isolation import API, DATABASE, METADATA, NODE, RESOLVER, TRY, Target, World, sh

GATEWAY, TENANT = "172.19.0.1", "172.19.0.2"
FORBIDDEN: list[Target] = [
    ("tcp", METADATA, 80),
    ("tcp", RESOLVER, 80),
    ("tcp", NODE, DATABASE),
    ("tcp", GATEWAY, API),
]
ALLOWED: list[Target] = [("tcp", outside.ALLOWED, 80), ("tcp", RESOLVER, 5432)]


class Tenant:
    """A network namespace on the bridge that releases go out through."""

    def __init__(self, world: World) -> None:
        sh("ip link add docker_gwbridge type bridge && ip link set docker_gwbridge up")
        sh(f"ip addr add {GATEWAY}/16 dev docker_gwbridge && sysctl -qw net.ipv4.ip_forward=1")
        self.process = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        # Until it is in a network of its own.
        while os.readlink(f"/proc/{self.process.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            pass
        sh(f"ip link add tenant type veth peer name eth0 netns {self.process.pid}")
        sh("ip link set tenant master docker_gwbridge up")
        self.run(
            f"ip addr add {TENANT}/16 dev eth0 && ip link set eth0 up && ip route add default via {GATEWAY}"
        )
        sh(f"nsenter --net=/proc/{world.around.pid}/ns/net ip route add 172.19.0.0/16 via {NODE}")

    def run(self, line: str) -> None:
        sh(f"nsenter --net=/proc/{self.process.pid}/ns/net sh -c '{line}'")

    def reached(self) -> set[Target]:
        code = f"import json, socket\ntargets = {[*FORBIDDEN, *ALLOWED]!r}\n{TRY}\nprint(json.dumps(result))"
        into = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", sys.executable, "-c", code]
        done = subprocess.run(into, capture_output=True, check=True)
        return {tuple(target) for target in json.loads(done.stdout)}


def main(folder: Path, tool: str) -> None:
    sh("ip link set lo up")
    world = World(folder)
    tenant = Tenant(world)
    everything = {*FORBIDDEN, *ALLOWED}
    assert tenant.reached() == everything, "else the test proves nothing"
    allow = ("--allow", f"{RESOLVER}:5432", "--tool", tool)
    for _ in range(2):
        world.firewall("apply", *allow)
    world.firewall("status", "--tool", tool)
    assert (found := tenant.reached()) == set(ALLOWED), found
    world.firewall("remove")
    assert tenant.reached() == everything
    for command in ("iptables-save", "ip6tables-save", "nft list ruleset"):
        left = subprocess.run(command.split(), capture_output=True, text=True, check=False).stdout
        assert "gavan" not in left.lower()
        assert "DOCKER-USER" not in left


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
