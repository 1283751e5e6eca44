"""Sending a row's id to the broker. Tasks carry ids, never bodies or secrets."""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID

from celery import Celery

from backend.celery.config import configuration
from backend.config import Settings, get_settings


def sender() -> Celery:
    """A bare Celery application: enough to send by name, without importing the tasks."""
    return _sender_of(get_settings())


@lru_cache(maxsize=2)
def _sender_of(settings: Settings) -> Celery:
    app = Celery("gavan", set_as_current=False)
    app.conf.update(configuration(settings))
    return app


def send(task: str, row_id: UUID, queue: str) -> None:
    """Blocks until the broker took it; raises kombu's `OperationalError` when it does not answer."""
    sender().send_task(task, (str(row_id),), queue=queue, ignore_result=True)
