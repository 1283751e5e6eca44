"""Writing down what was done, in the transaction that does it: both are there, or neither is."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.actor import Actor, current
from backend.audit.dao import AuditDAO
from backend.audit.models import AuditEvent
from backend.logger import request_id
from backend.utils.ids import new_id

Result = Literal["done", "refused", "failed"]
_USER_AGENT_LENGTH = 400


async def record(
    session: AsyncSession,
    action: Action,
    *,
    object_type: str | None = None,
    object_id: object = None,
    object_name: str | None = None,
    project_id: UUID | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    result: Result = "done",
    actor: Actor | None = None,
) -> None:
    """Append one event. `before` and `after` hold only what changed, as JSON values, never a secret.

    `actor` is whoever the request was authenticated as, unless given (a sign-in has nobody yet).
    """
    by = actor or current()
    await AuditDAO(session).add(
        AuditEvent(
            id=new_id(),
            action=action,
            result=result,
            user_id=by.user_id,
            acting_id=by.acting_id,
            client_id=by.client_id,
            session_id=by.session_id,
            address=by.address,
            user_agent=by.user_agent[:_USER_AGENT_LENGTH] if by.user_agent else None,
            request_id=request_id.get(),
            project_id=project_id,
            object_type=object_type,
            object_id=None if object_id is None else str(object_id),
            object_name=object_name,
            before=before,
            after=after,
        )
    )
