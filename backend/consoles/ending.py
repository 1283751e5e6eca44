"""The record of a console that is over, also of one whose server was killed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.actor import NOBODY, Actor
from backend.audit.trail import record
from backend.consoles.dao import ConsoleDAO
from backend.consoles.models import Console
from backend.database import now

KEPT_DAYS = 30
"""The audit trail keeps what happened; these rows are for counting."""
LOST = "lost"


async def close(
    session: AsyncSession,
    console_id: UUID,
    why: str,
    *,
    at: datetime | None = None,
    actor: Actor = NOBODY,
) -> None:
    """Write down that it is over, once."""
    at = at or now()
    closed = await ConsoleDAO(session).close(console_id, why, at)
    if closed is None:
        return
    await record(
        session,
        Action.CONSOLE_CLOSED,
        object_type="service",
        object_id=closed.service_id,
        object_name=closed.name,
        project_id=closed.project_id,
        after={
            "console_id": console_id,
            "process": closed.process,
            "replica": closed.replica,
            "seconds": max(0, round((at - closed.opened_at).total_seconds())),
            "ended": why,
        },
        actor=replace(actor, user_id=closed.user_id, session_id=closed.session_id),
        at=at,
    )


async def prune(session: AsyncSession) -> int:
    """Close those whose server was killed, as of when it was last heard of; delete what is old."""
    dao = ConsoleDAO(session)
    left = await dao.left_open(now())
    for row in left:
        await close(session, row.id, LOST, at=row.seen_at)
    return len(left) + await dao.delete_some(Console.created_at < now() - timedelta(days=KEPT_DAYS))
