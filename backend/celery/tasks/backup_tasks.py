"""Backups: those that are due, and those that go."""

from __future__ import annotations

from backend.backups.tending import tend
from backend.backups.working import Place
from backend.celery.tasks.base import AsyncTask
from backend.celery.worker import app, child
from backend.config import get_settings
from backend.services.routing import Edge


@app.task(base=AsyncTask, bind=True, name="backups.tend")
def tend_backups(self: AsyncTask) -> None:
    settings, database = get_settings(), child().database
    self.await_(tend(Place(settings, database, child().engine, Edge(settings, database))))
