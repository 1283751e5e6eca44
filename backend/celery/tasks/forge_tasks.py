"""Forges: told what became of commits, and previews that nobody pushes to any more."""

from __future__ import annotations

from uuid import UUID

from backend.celery.publish import send
from backend.celery.tasks.base import AsyncTask
from backend.celery.worker import app, child
from backend.config import get_settings
from backend.previews.expiry import expire
from backend.statuses import outbox
from backend.statuses.delivery import QUEUE, SEND, deliver


@app.task(base=AsyncTask, bind=True, name=SEND)
def send_status(self: AsyncTask, status_id: str) -> None:
    if self.await_(deliver(UUID(status_id), get_settings(), child().database)):
        send(SEND, UUID(status_id), QUEUE)


@app.task(base=AsyncTask, bind=True, name="statuses.relay")
def relay_due(self: AsyncTask) -> None:
    for status_id in self.await_(outbox.due(child().database)) or ():
        send(SEND, status_id, QUEUE)


@app.task(base=AsyncTask, bind=True, name="previews.expire")
def expire_previews(self: AsyncTask) -> None:
    self.await_(expire(child().database))
