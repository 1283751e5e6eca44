"""The relay of letters: what was written and not sent is published again, until it is sent or too old."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from loguru import logger

from backend.database import Database, now
from backend.mail.dao import LetterDAO
from backend.mail.delivery import KEPT, MAX_ATTEMPTS
from backend.mail.transports import Transports

PATIENCE = timedelta(seconds=10), timedelta(minutes=2)
"""As for jobs (`backend.jobs.relay`): longer the longer a letter waits already."""
BATCH = 200


async def due(database: Database, transports: Transports) -> list[UUID]:
    """Put every letter into the state that it is in by now, and return those to give to the broker."""
    async with database.transaction() as session:
        dao = LetterDAO(session)
        for row in await dao.take_back(MAX_ATTEMPTS):
            logger.warning("letter {} lost its sender, attempt {}", row.id, row.attempts)
        if expired := await dao.expire(now() - KEPT, BATCH):
            logger.warning("{} letters were too old to be sent", expired)
        if transports:
            await dao.release(transports.keys())
        return [row.id for row in await dao.unpublished(*PATIENCE, BATCH)]
