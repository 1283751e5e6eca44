"""`make up` as a newcomer runs it: in a copy of the checkout, with state and ports of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from embedded import processes, settings
from embedded.layout import Layout
from embedded.web import Edge
from tests.embedded.conftest import ROOT
from tests.support import ports

BACKING = ("postgres", "redis", "apps", "edge")
PANEL = ("api", "workers")


@dataclass
class Checkout:
    layout: Layout

    def make(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            # Under `make test` it would tell of directories, which a newcomer's shell never sees.
            ["make", "--no-print-directory", f"PYTHON={sys.executable}", *words],
            cwd=self.layout.root,
            env={**os.environ, "GAVAN_HOME": str(self.layout.home)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def up(self) -> str:
        done = self.make("up")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.make("status", "FORMAT=json").stdout)
        return found

    def pids(self) -> dict[str, int]:
        return {name: part["pid"] for name, part in self.status()["parts"].items()}

    def example_status(self) -> int:
        env = settings.read(self.layout.env_file)
        return Edge(int(env["EDGE_PORT"])).status("/", host="hello.localhost")

    def processes(self) -> list[str]:
        """Command lines of everything that runs out of this checkout or its state."""
        found = []
        for process in processes.everything():
            try:
                line = Path(f"/proc/{process.pid}/cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            if str(self.layout.root.parent) in line:
                found.append(line)
        return found


def copied(folder: Path, **values: str) -> Checkout:
    """A copy of this checkout with a state of its own, and with these values in its .env."""
    root = folder / "checkout"
    root.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    # Away from the default port: other tests and people use that one.
    low, high = ports.app_ports()
    values = {"EDGE_PORT": str(ports.edge_port()), "APP_PORTS": f"{low}-{high}", **values}
    (root / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return Checkout(Layout(root, folder / "home"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    made = copied(tmp_path_factory.mktemp("up"))
    yield made
    made.make("down")


@pytest.mark.slow_up
@pytest.mark.timeout(600)
def test_a_newcomer_s_day(checkout: Checkout) -> None:
    begin = time.monotonic()
    said = checkout.up()
    first_took = time.monotonic() - begin
    password = re.search(r"Password +(\S{16,})", said)
    assert password, said
    # Both begin with something to pay from, once.
    assert len(re.findall(r"Credit +\S+ for ", said)) == 2, said
    first = checkout.status()
    assert first["healthy"] is True
    assert first["panel_url"] in said
    assert first["docs_url"] in said
    assert first["example_url"] in said
    assert checkout.example_status() == 200

    before, begin = checkout.pids(), time.monotonic()
    said = checkout.up()
    assert "nothing to do" in said
    assert password[1] not in said
    assert "Credit" not in said
    assert time.monotonic() - begin < first_took
    assert checkout.pids() == before

    supervisor = processes.leader(checkout.layout.run / "supervisor.pid")
    assert supervisor
    os.kill(supervisor.pid, signal.SIGKILL)
    assert checkout.example_status() == 200
    checkout.up()
    after = checkout.pids()
    assert after["apps"] == before["apps"]
    assert all(after[name] != before[name] for name in before if name != "apps")
    assert sum("redis-server" in line for line in checkout.processes()) == 1
    assert sum("backend.main:create_app" in line for line in checkout.processes()) == 1
    assert checkout.example_status() == 200

    (checkout.layout.root / "backend" / "new.py").write_text('"""New code."""\n')
    before = after
    checkout.up()
    after = checkout.pids()
    assert [after[name] for name in BACKING] == [before[name] for name in BACKING]
    assert all(after[name] != before[name] for name in PANEL)

    done = checkout.make("down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.processes() == []
    assert checkout.example_status() == 0
    assert checkout.make("status").returncode != 0
    assert {part["state"] for part in checkout.status()["parts"].values()} == {"stopped"}


@pytest.mark.slow_up
@pytest.mark.timeout(600)
def test_down_after_the_supervisors_were_killed(checkout: Checkout) -> None:
    checkout.up()
    for name in ("supervisor.pid", "apps.pid"):
        found = processes.leader(checkout.layout.run / name)
        assert found
        os.kill(found.pid, signal.SIGKILL)
    checkout.make("down")
    assert checkout.processes() == []
    shutil.rmtree(checkout.layout.home)
