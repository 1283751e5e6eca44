"""The crew under a real process: who ends is forked anew, and who is told to stop stops all of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.config import Settings
from backend.jobs.queue import QUEUE_OF
from tests.support.environment import environment

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

READ = """
import json
from backend.celery import crew
from backend.celery.worker import app

timed = [entry["options"]["queue"] for entry in app.conf.beat_schedule.values()]
print(json.dumps({"timed": [app.conf.task_default_queue, *timed], "members": dict(crew.QUEUES)}))
"""


class Running:
    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder)],
            env=os.environ | environment(settings),
            start_new_session=True,
        )

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
def running(tmp_path: Path, settings: Settings) -> Iterator[Running]:
    folder = tmp_path / "members"
    folder.mkdir()
    crew = Running(folder, settings)
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


def test_each_queue_is_read_and_builds_backups_and_cron_runs_wait_for_nothing_but_their_own(
    settings: Settings,
) -> None:
    program = [sys.executable, "-c", READ]
    told = subprocess.check_output(program, env=os.environ | environment(settings))
    read = json.loads(told)
    members = [set(queues.split(",")) for queues in read["members"].values()]
    assert set(QUEUE_OF.values()) | set(read["timed"]) <= set().union(*members)
    apart = {"deploy", "backups", "cron", "default"}
    for queue in apart:
        mine = [queues for queues in members if queue in queues]
        assert mine
        assert all(queues & apart == {queue} for queues in mine)
