"""Forgetting to whom which letter was sent."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import get_settings
from backend.database import now
from backend.mail.dao import LetterDAO

BATCH = 5_000


async def prune(session: AsyncSession) -> int:
    """Delete one batch of letters older than `LETTER_RETENTION_DAYS`; gives how many it were."""
    before = now() - timedelta(days=get_settings().letter_retention_days)
    return await LetterDAO(session).delete_sent_before(before, BATCH)
