"""Writing down what happened to a service, in the transaction in which it is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.config import get_settings
from backend.dao.base import BaseDAO
from backend.database import now
from backend.engines.base import UnitExit
from backend.engines.errors import Reason
from backend.services.models import Service
from backend.timeline.models import ServiceEvent
from backend.utils.ids import new_id

LIVE, FAILED, EXITED, CRASHED, RECOVERED = "live", "failed", "exited", "crashed", "recovered"
OF_THE_TRAIL = {
    Action.SERVICE_ORDERED: "ordered",
    Action.SERVICE_DEPLOYED: "deployed",
    Action.SERVICE_ROLLED_BACK: "rolled_back",
    Action.SERVICE_UPDATED: "updated",
    Action.SERVICE_VARIABLES_REPLACED: "variables_replaced",
    Action.SERVICE_SCALED: "scaled",
    Action.SERVICE_STOPPED: "stopped",
    Action.SERVICE_STARTED: "started",
    Action.SERVICE_RESTARTED: "restarted",
    Action.SERVICE_SUSPENDED: "suspended",
    Action.SERVICE_RESUMED: "resumed",
}
"""What was done to it and matters for how it runs."""
MOST_EXITS = 500
"""Of one service: one that never stops crashing tells nothing new."""


class EventDAO(BaseDAO[ServiceEvent]):
    model = ServiceEvent

    async def add_exits(self, exits: Sequence[UnitExit]) -> int:
        rows = [
            {
                "id": new_id(),
                "service_id": UUID(one.service_id),
                "at": one.at,
                "kind": EXITED,
                "deployment_id": UUID(one.deployment_id),
                "process": one.process,
                "replica": one.replica,
                "reason_code": one.reason.code,
                "reason": one.reason.message[:2000],
                "reason_parameters": one.reason.parameters or None,
            }
            for one in exits
        ]
        return await self.execute(insert(ServiceEvent).values(rows).on_conflict_do_nothing()) if rows else 0

    async def drop_surplus(self, service_id: UUID) -> None:
        """The oldest exits of a service that has too many."""
        exits = select(ServiceEvent.id).where(
            ServiceEvent.service_id == service_id, ServiceEvent.kind == EXITED
        )
        surplus = exits.order_by(ServiceEvent.at.desc(), ServiceEvent.id.desc()).offset(MOST_EXITS)
        await self.execute(delete(ServiceEvent).where(ServiceEvent.id.in_(surplus)))


async def note(
    session: AsyncSession,
    service_id: UUID,
    kind: str,
    *,
    deployment_id: UUID | None = None,
    reason: Reason | None = None,
    at: datetime | None = None,
) -> None:
    """Append one event."""
    event = {
        "id": new_id(),
        "service_id": service_id,
        "at": at or now(),
        "kind": kind,
        "deployment_id": deployment_id,
        "reason_code": reason.code if reason else None,
        "reason": reason.message[:2000] if reason else None,
        "reason_parameters": (reason.parameters or None) if reason else None,
    }
    await EventDAO(session).insert_rows((ServiceEvent, event))


async def note_action(session: AsyncSession, service: Service, action: Action) -> None:
    """What the audit trail has, if it is of those that people look for when an app misbehaves."""
    kind = OF_THE_TRAIL.get(action)
    if kind is not None:
        await note(session, service.id, kind)


async def prune(session: AsyncSession) -> int:
    days = get_settings().event_retention_days
    return await EventDAO(session).delete_some(ServiceEvent.at < now() - timedelta(days=days))
