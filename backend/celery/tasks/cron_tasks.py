"""Cron jobs: what is due, and whose turn it is."""

from __future__ import annotations

from backend.celery.tasks.base import AsyncTask
from backend.celery.worker import app, child
from backend.config import get_settings
from backend.cronjobs.scheduling import tick


@app.task(base=AsyncTask, bind=True, name="cronjobs.tick")
def look_for_due(self: AsyncTask) -> None:
    self.await_(tick(get_settings(), child().database))
