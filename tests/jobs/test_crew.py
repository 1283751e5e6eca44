"""The crew under a real process: who ends is forked anew, and who is told to stop stops all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.celery.crew import QUEUES
from backend.celery.worker import app
from backend.jobs.queue import QUEUE_OF

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from backend.celery import crew

def member(name):
    def work():
        (Path(sys.argv[1]) / f"{name}.{os.getpid()}").touch()
        while True:
            time.sleep(60)
    return work

crew.RESPAWN_SECONDS = 0.05
crew.Crew({name: member(name) for name in ("loads", "sails")}).run()
"""


class Running:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)], start_new_session=True)

    def members(self) -> dict[str, int]:
        """The processes that live, by name."""
        found = [path.name.split(".") for path in self.folder.iterdir()]
        return {name: int(pid) for name, pid in found if Path(f"/proc/{pid}").exists()}

    def until_both(self) -> dict[str, int]:
        deadline = time.monotonic() + 60
        while set(self.members()) != {"loads", "sails"}:
            assert time.monotonic() < deadline, self.members()
            time.sleep(0.02)
        return self.members()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    crew = Running(tmp_path)
    yield crew
    if crew.process.poll() is None:
        os.killpg(crew.process.pid, signal.SIGKILL)
        crew.process.wait()


def test_a_killed_member_comes_back_and_the_other_stays(running: Running) -> None:
    before = running.until_both()
    os.kill(before["loads"], signal.SIGKILL)
    while Path(f"/proc/{before['loads']}").exists():
        time.sleep(0.02)
    after = running.until_both()
    assert after["loads"] != before["loads"]
    assert after["sails"] == before["sails"]


def test_told_to_stop_all_of_them_end(running: Running) -> None:
    running.until_both()
    running.process.terminate()
    assert running.process.wait(60) == 0
    assert running.members() == {}


def test_every_queue_is_read_by_some_member() -> None:
    read = {queue for queues in QUEUES.values() for queue in queues.split(",")}
    timed = {entry["options"]["queue"] for entry in app.conf.beat_schedule.values()}
    assert set(QUEUE_OF.values()) | timed | {app.conf.task_default_queue} <= read


def test_a_build_a_backup_and_a_cron_run_wait_for_nothing_but_their_own() -> None:
    for queue in ("deploy", "backups", "cron", "default"):
        mine = [queues for queues in QUEUES.values() if queue in queues.split(",")]
        assert mine
        others = {other for queues in mine for other in queues.split(",")} - {queue}
        assert not others & ({"deploy", "backups", "cron", "default"} - {queue})
