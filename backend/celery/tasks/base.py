"""What tasks share: they run on the child's loop, and a database that is away is not their failure."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from celery import Task
from loguru import logger

from backend.celery.worker import child
from backend.database import LOST


class AsyncTask(Task):
    """`self.await_(coroutine)` in a task's body. Lost connections are logged; the relay repeats the work."""

    abstract = True

    def await_(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return child().run(work)
        except LOST as error:
            logger.warning("{} interrupted: {}", self.name, type(error).__name__)
            return None
