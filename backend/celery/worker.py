"""The Celery application of workers, which `backend.celery.crew` starts.

Celery has no native async tasks: each process gets one event loop and one database, and runs
every task's coroutine there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_shutdown

from backend import models  # noqa: F401  (the mapper needs all of them)
from backend.celery.config import configuration
from backend.config import get_settings
from backend.database import Database
from backend.engines.base import Engine
from backend.engines.registry import make_engine
from backend.logger import setup

app = Celery("gavan", include=["backend.celery.tasks"])
app.conf.update(configuration(get_settings()))


class Child:
    """What one process keeps between tasks."""

    def __init__(self) -> None:
        settings = get_settings()
        self.runner = asyncio.Runner()
        self.database = Database(settings, pool_size=3, idle=True)
        self.engine: Engine = make_engine(settings)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self.runner.run(work)
        finally:
            # A leftover would go on during the next task.
            self.runner.run(_cancel_leftovers())

    def close(self) -> None:
        self.runner.run(self.database.close())
        self.runner.close()


_child: Child | None = None


def child() -> Child:
    global _child
    if _child is None:
        _child = Child()
    return _child


async def _cancel_leftovers() -> None:
    leftovers = asyncio.all_tasks() - {asyncio.current_task()}
    for task in leftovers:
        task.cancel()
    await asyncio.gather(*leftovers, return_exceptions=True)


@setup_logging.connect
def _logging(**_: Any) -> None:
    settings = get_settings()
    setup(settings.log_level, settings.log_format)


@worker_process_init.connect
def _start_child(**_: Any) -> None:
    child()


@worker_shutdown.connect
def _stop_child(**_: Any) -> None:
    if _child is not None:
        _child.close()
