"""Writing down what was done, in the transaction that does it: both are there, or neither is."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypedDict, Unpack
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.actor import Actor, current
from backend.audit.dao import AuditDAO
from backend.audit.models import AuditEvent
from backend.audit.values import cut, recordable
from backend.dao.base import Values
from backend.database import now
from backend.logger import request_id
from backend.utils.ids import new_id

Result = Literal["done", "refused", "failed"]


class About(TypedDict, total=False):
    """`before` and `after` hold only what changed, never a secret.

    `actor` is whoever the request was authenticated as, unless given: a sign-in has nobody yet, and says
    `replace(current(), user_id=…)`. `at` is for what was found out later than it happened.
    """

    object_type: str | None
    object_id: object
    object_name: str | None
    project_id: UUID | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    result: Result
    actor: Actor | None
    at: datetime


def event(action: Action, **about: Unpack[About]) -> Values:
    """For those who write it together with other rows, by one statement; else `record`."""
    by = about.get("actor") or current()
    object_id = about.get("object_id")
    return AuditEvent, {
        "id": new_id(),
        "created_at": about.get("at") or now(),
        "action": action,
        "result": about.get("result", "done"),
        "user_id": by.user_id,
        "acting_id": by.acting_id,
        "client_id": by.client_id,
        "session_id": by.session_id,
        "address": by.address,
        "user_agent": cut(by.user_agent, 400),
        "request_id": request_id.get(),
        "project_id": about.get("project_id"),
        "object_type": about.get("object_type"),
        "object_id": None if object_id is None else cut(str(object_id), 64),
        "object_name": cut(about.get("object_name"), 200),
        "before": recordable(about.get("before")),
        "after": recordable(about.get("after")),
    }


async def record(session: AsyncSession, action: Action, **about: Unpack[About]) -> None:
    """Append one event."""
    await AuditDAO(session).insert_rows(event(action, **about))
