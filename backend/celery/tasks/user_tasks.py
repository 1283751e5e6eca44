"""Accounts kept tidy: what has expired or is too old is removed in batches, an old signing key replaced."""

from __future__ import annotations

from loguru import logger

from backend import retention
from backend.celery.tasks.base import AsyncTask
from backend.celery.worker import app, child
from backend.config import get_settings
from backend.oauth import keys


@app.task(base=AsyncTask, bind=True, name="users.sweep")
def sweep(self: AsyncTask) -> None:
    if removed := self.await_(retention.sweep(child().database)):
        logger.info("removed what was too old: {}", removed)


async def _rotate_keys() -> str | None:
    async with child().database.transaction() as session:
        return await keys.rotate_by_age(session, get_settings())


@app.task(base=AsyncTask, bind=True, name="users.rotate_keys")
def rotate_keys(self: AsyncTask) -> None:
    if kid := self.await_(_rotate_keys()):
        logger.info("access tokens will be signed with the new key {}", kid)
