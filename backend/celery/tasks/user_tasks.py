"""Accounts kept tidy: sessions and tokens that expired are removed in batches."""

from __future__ import annotations

from backend.celery.tasks.base import AsyncTask
from backend.celery.worker import app, child
from backend.oauth.sessions import prune


async def _prune() -> None:
    async with child().database.transaction() as session:
        await prune(session)


@app.task(base=AsyncTask, bind=True, name="users.sweep")
def sweep(self: AsyncTask) -> None:
    self.await_(_prune())
