"""Events of the audit trail that are about a service."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.services.models import Service
from backend.timeline.recording import note_action


async def record_about(
    session: AsyncSession,
    service: Service,
    action: Action,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Append one event, as `backend.audit.trail.record` does."""
    await note_action(session, service, action)
    await record(
        session,
        action,
        object_type="service",
        object_id=service.id,
        object_name=service.name,
        project_id=service.project_id,
        before=before,
        after=after,
    )
