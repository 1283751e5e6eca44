"""All workers and the beat of one machine: `python -m backend.celery.crew --schedule FILE`.

Each queue, or group of queues, has processes of its own, so that none waits behind another. They are forked
from one process that has imported everything: what they share with it exists once
(`docs/decisions/0044-crew.md`). One that ends is forked anew.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType

from sqlalchemy.orm import configure_mappers

from backend.celery import beat as scheduling
from backend.celery.worker import app

RESPAWN_SECONDS = 1.0

QUEUES: Mapping[str, str] = {
    "worker": "default,billing,monitoring,email,ai",
    **dict.fromkeys(("deployer-1", "deployer-2", "deployer-3"), "deploy,domains"),
    "cron": "cron",
    "keeper": "backups",
}

MODULES = (
    *("billiard.pool", "celery.app.amqp", "celery.app.control", "celery.app.events", "celery.app.routes"),
    *("celery.apps.beat", "celery.apps.worker", "celery.beat", "celery.concurrency.solo"),
    *("celery.events.receiver", "celery.worker.autoscale", "celery.worker.consumer"),
    *("celery.worker.consumer.delayed_delivery", "celery.worker.control", "celery.worker.strategy"),
    *("kombu.pidbox", "kombu.transport.redis", "sqlalchemy.dialects.postgresql.asyncpg"),
)
"""What Celery and SQLAlchemy import only when they are first used."""


class Crew:
    """Keeps one process of each member until it is told to stop."""

    def __init__(self, members: Mapping[str, Callable[[], None]]) -> None:
        self.members = members
        self.running: dict[int, str] = {}
        self.stopping = False

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        # What the collector does not visit stays shared.
        gc.collect()
        gc.freeze()
        for name in self.members:
            self._fork(name)
        while self.running:
            pid, _ = os.wait()
            name = self.running.pop(pid)
            if not self.stopping:
                # One that cannot start must not take a processor.
                time.sleep(RESPAWN_SECONDS)
                self._fork(name)

    def _fork(self, name: str) -> None:
        # A signal between the fork and the note of it would miss the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        try:
            if self.stopping:
                return
            pid = os.fork()
            if pid == 0:
                self._become(name)
            self.running[pid] = name
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))

    def _become(self, name: str) -> None:
        """Never returns: the parent's frames are not the child's to unwind."""
        status = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
            self.members[name]()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True
        for pid in tuple(self.running):
            # One that has just ended is still on the list for a moment.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def worker(name: str, queues: str) -> Callable[[], None]:
    def work() -> None:
        # Not by the command line, whose modules would be each member's own.
        process = app.Worker(
            hostname=f"{name}@localhost",
            queues=queues,
            pool_cls="solo",
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        process.start()
        sys.exit(process.exitcode)

    return work


def beat(schedule: Path) -> Callable[[], None]:
    return lambda: scheduling.app.Beat(schedule=str(schedule), quiet=True).run()


def prepare() -> None:
    """Do before the fork what every member would do after it."""
    app.loader.import_default_modules()
    app.finalize(auto=True)
    app.log.setup()
    for name in MODULES:
        importlib.import_module(name)
    configure_mappers()


def main() -> None:
    parser = argparse.ArgumentParser(prog="backend.celery.crew")
    parser.add_argument("--schedule", type=Path, required=True, help="the file that beat keeps its times in")
    arguments = parser.parse_args()
    members = {name: worker(name, queues) for name, queues in QUEUES.items()}
    members["beat"] = beat(arguments.schedule)
    prepare()
    Crew(members).run()


if __name__ == "__main__":
    main()
