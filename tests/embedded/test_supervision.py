"""Parts under real supervisors: whatever is killed, one process of each part runs afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded import down, logs, processes, status
from embedded.layout import Layout
from embedded.supervisor import Supervisor, write_configurations
from tests.embedded.conftest import ROOT, until


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Layout]:
    """State of its own below the real checkout, so that the real `embedded.launch` runs."""
    monkeypatch.setenv("GAVAN_HOME", str(tmp_path / "home"))
    layout = Layout.of_checkout()
    layout.make_folders()
    yield layout
    shutil.rmtree(layout.run, ignore_errors=True)


@pytest.fixture
def supervisor(home: Layout) -> Iterator[Supervisor]:
    write_configurations(home)
    running = Supervisor(home)
    running.spawn()
    yield running
    down.down(home)


def pid_of(layout: Layout, part: str) -> int:
    found = processes.leader(layout.run / f"{part}.pid")
    return found.pid if found else 0


def servers(layout: Layout) -> list[int]:
    """The pids of every redis-server on this layout's socket."""
    found = []
    for process in processes.everything():
        try:
            words = Path(f"/proc/{process.pid}/cmdline").read_text()
        except OSError:
            continue
        if "redis-server" in words and (
            str(layout.redis_socket) in words or f"unixsocket:{layout.run}" in words
        ):
            found.append(process.pid)
    return found


def test_a_second_launch_replaces_the_first(home: Layout) -> None:
    command = [sys.executable, "-m", "embedded.launch", "redis"]
    first = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL)
    until(home.redis_socket.exists)
    second = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL)
    assert first.wait(60) == 0
    until(lambda: pid_of(home, "redis") == second.pid)
    assert second.poll() is None
    second.terminate()
    second.wait(60)


def test_a_killed_part_comes_back_once(supervisor: Supervisor, home: Layout) -> None:
    supervisor.start("redis")
    until(lambda: pid_of(home, "redis"))
    before = pid_of(home, "redis")
    os.kill(before, signal.SIGKILL)
    until(lambda: pid_of(home, "redis") not in (0, before) and home.redis_socket.exists())
    until(lambda: len(servers(home)) == 1)


def test_a_killed_supervisor_leaves_no_double_and_customers_running(
    supervisor: Supervisor, home: Layout
) -> None:
    for name in ("redis", "apps"):
        supervisor.start(name)
    until(lambda: home.engine_socket.exists() and home.redis_socket.exists())
    redis, apps = pid_of(home, "redis"), pid_of(home, "apps")
    supervisor.kill()
    until(lambda: not supervisor.answers())
    assert (pid_of(home, "redis"), pid_of(home, "apps")) == (redis, apps)
    supervisor.spawn()
    for name in ("redis", "apps"):
        supervisor.start(name)
    until(lambda: pid_of(home, "redis") not in (0, redis))
    # The file with the process id is there before Redis itself is.
    until(lambda: len(servers(home)) == 1)
    assert pid_of(home, "apps") == apps
    until(lambda: supervisor.processes()["apps"]["statename"] == "RUNNING")
    supervisor.stop("apps")
    assert pid_of(home, "apps") == 0


def test_status_without_the_supervisor_tells_what_runs_all_the_same(
    supervisor: Supervisor, home: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor.start("redis")
    until(lambda: pid_of(home, "redis"))
    supervisor.kill()
    found = status.status(home)
    assert found["healthy"] is False
    assert found["parts"]["redis"] == {
        "state": "unwatched",
        "pid": pid_of(home, "redis"),
        "uptime_seconds": None,
    }
    assert found["parts"]["api"]["state"] == "stopped"
    status.show(found, as_json=False)
    assert "The supervisor is gone" in capsys.readouterr().out


def test_down_ends_what_a_killed_supervisor_left(supervisor: Supervisor, home: Layout) -> None:
    for name in ("redis", "apps"):
        supervisor.start(name)
    until(lambda: home.engine_socket.exists() and home.redis_socket.exists())
    supervisor.kill()
    down.down(home)
    assert not servers(home)
    assert pid_of(home, "apps") == 0


def test_a_reused_pid_is_not_ours(tmp_path: Path) -> None:
    file = tmp_path / "x.pid"
    processes.record(file, os.getpid())
    assert processes.leader(file) == processes.find(os.getpid())
    pid, started, boot = file.read_text().split()
    file.write_text(f"{pid} {int(started) - 1} {boot}\n")
    assert processes.leader(file) is None
    assert processes.members(file) == []
    file.write_text(f"{pid} {started} another-boot\n")
    assert processes.leader(file) is None
    assert processes.members(file) == []


def test_orphans_of_a_dead_leader_are_found(tmp_path: Path) -> None:
    leader = subprocess.Popen(["sh", "-c", "sleep 60 & wait"], start_new_session=True)
    file = tmp_path / "x.pid"
    processes.record(file, leader.pid)
    until(lambda: len(processes.members(file)) == 2)
    leader.kill()
    leader.wait()
    assert processes.leader(file) is None
    orphans = processes.members(file)
    assert len(orphans) == 1
    processes.end(orphans, signal.SIGTERM, 60)
    assert processes.members(file) == []


def test_logs_say_that_nothing_runs(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    (layout.log / "api.log").write_text("the last word\n")
    logs.show(layout, ["api", "redis"], 10, follow=False)
    said = capsys.readouterr().out.splitlines()
    assert said == ["Nothing runs; start it with make up. What was logged before:", "api   | the last word"]


def test_status_of_a_checkout_where_nothing_runs(layout: Layout) -> None:
    found = status.status(layout)
    assert found["healthy"] is False
    assert found["panel_url"] is None
    assert set(found["parts"]) == {
        "postgres",
        "redis",
        "apps",
        "edge",
        "api",
        "workers",
    }
    assert found["parts"]["api"] == {"state": "stopped", "pid": None, "uptime_seconds": None}
