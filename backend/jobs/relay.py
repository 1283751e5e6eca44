"""The relay: what was accepted and not picked up is published again, until it is final."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.dao.base import BaseDAO
from backend.database import Database, now
from backend.jobs.dao import JobDAO
from backend.jobs.models import IdempotencyKey, JobState

PATIENCE = timedelta(seconds=10), timedelta(minutes=2)
"""How long a published job may wait in the broker before it is published once more: longer the longer
it waits already, so that a long queue does not fill the broker with copies."""
BATCH = 200
KEYS_KEPT = timedelta(days=1)


async def due(database: Database) -> list[tuple[UUID, str]]:
    """Queue again what lost its worker, and return all that must be given to the broker now."""
    async with database.transaction() as session:
        dao = JobDAO(session)
        for job in await dao.lapsed(BATCH):
            logger.warning("job {} lost its worker, attempt {}", job.id, job.attempts)
            job.state, job.lease_until, job.published_at = JobState.QUEUED, None, None
        await dao.flush()
        return [(row.id, row.queue) for row in await dao.unpublished(*PATIENCE, BATCH)]


class IdempotencyKeys(BaseDAO[IdempotencyKey]):
    model = IdempotencyKey


async def prune(session: AsyncSession) -> int:
    """Forget a batch of idempotency keys after a day; gives how many."""
    return await IdempotencyKeys(session).delete_some(IdempotencyKey.created_at < now() - KEYS_KEPT)
