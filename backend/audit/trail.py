"""Writing down what was done, in the transaction that does it: both are there, or neither is."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.actor import Actor, current
from backend.audit.dao import AuditDAO
from backend.audit.models import AuditEvent
from backend.audit.values import cut, recordable
from backend.logger import request_id
from backend.utils.ids import new_id

Result = Literal["done", "refused", "failed"]


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
    """Append one event. `before` and `after` hold only what changed, never a secret.

    `actor` is whoever the request was authenticated as, unless given: a sign-in has nobody yet, and says
    `replace(current(), user_id=…)`.
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
            user_agent=cut(by.user_agent, 400),
            request_id=request_id.get(),
            project_id=project_id,
            object_type=object_type,
            object_id=None if object_id is None else cut(str(object_id), 64),
            object_name=cut(object_name, 200),
            before=recordable(before),
            after=recordable(after),
        )
    )
