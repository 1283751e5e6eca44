"""What services take, measured."""

from __future__ import annotations

from backend.celery.tasks.base import AsyncTask
from backend.celery.worker import app, child
from backend.metrics.collecting import collect


@app.task(base=AsyncTask, bind=True, name="metrics.collect")
def collect_metrics(self: AsyncTask) -> None:
    self.await_(collect(child().database, child().engine))
