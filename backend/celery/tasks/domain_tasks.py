"""Customers' domains: looked at, certified, renewed."""

from __future__ import annotations

from backend.celery.tasks.base import AsyncTask
from backend.celery.worker import app, child
from backend.config import get_settings
from backend.domains.upkeep import keep_up


@app.task(base=AsyncTask, bind=True, name="domains.keep_up")
def keep_domains_up(self: AsyncTask) -> None:
    self.await_(keep_up(get_settings(), child().database))
