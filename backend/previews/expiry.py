"""Previews that nobody pushed to for as long as their service keeps them."""

from __future__ import annotations

from loguru import logger

from backend.database import Database
from backend.previews import requests
from backend.previews.dao import PullRequestDAO
from backend.services.dao import ServiceDAO

BATCH = 50


async def expire(database: Database) -> int:
    """Remove them, each in a transaction of its own; gives how many."""
    async with database.transaction() as session:
        lapsed = await PullRequestDAO(session).lapsed(BATCH)
    removed = 0
    for row in lapsed:
        async with database.transaction() as session:
            service = await ServiceDAO(session).get_locked(row.service_id)
            known = await PullRequestDAO(session).get_locked(row.id)
            # Somebody may have pushed in the meantime.
            if service is None or known is None or not await PullRequestDAO(session).has_lapsed(row.id):
                continue
            removed += await requests.expire(session, service, known)
    if removed:
        logger.info("{} previews have expired", removed)
    return removed
