"""Events of the audit trail that are about a user."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.actor import Actor
from backend.audit.trail import Result, record
from backend.users.models import User


async def record_about(
    session: AsyncSession,
    user: User,
    action: Action,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    result: Result = "done",
    actor: Actor | None = None,
) -> None:
    """Append one event, as `backend.audit.trail.record` does."""
    await record(
        session,
        action,
        object_type="user",
        object_id=user.id,
        object_name=user.email,
        before=before,
        after=after,
        result=result,
        actor=actor,
    )
