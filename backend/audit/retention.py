"""How long the trail is kept: `AUDIT_RETENTION_DAYS`, and by the database itself never under thirty."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.audit.actor import NOBODY
from backend.audit.dao import AuditDAO
from backend.config import get_settings
from backend.database import now

BATCH = 5_000


async def prune(session: AsyncSession) -> int:
    """Remove one batch of events that are too old; gives how many, 0 when nothing is left.

    The removal is an event itself. Whole days go at once, so that it is not one every hour.
    """
    days = timedelta(days=get_settings().audit_retention_days)
    kept_since = now().replace(hour=0, minute=0, second=0, microsecond=0) - days
    count = await AuditDAO(session).prune(kept_since, BATCH)
    if count:
        after = {"removed": count, "kept_since": kept_since}
        await trail.record(session, Action.AUDIT_PRUNED, object_type="audit", after=after, actor=NOBODY)
    return count
