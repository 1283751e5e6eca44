"""Statements over the trail. None changes it; the database would refuse (migration 0002, ADR 0011)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select

from backend.audit.models import AuditEvent
from backend.dao.base import BaseDAO


class AuditDAO(BaseDAO[AuditEvent]):
    model = AuditEvent

    async def prune(self, kept_since: datetime, limit: int) -> int:
        """Remove the oldest events from before then; gives how many."""
        # True: until this transaction ends.
        await self.scalar(select(func.set_config("gavan.audit_kept_since", kept_since.isoformat(), True)))
        oldest = (
            select(AuditEvent.id)
            .where(AuditEvent.created_at < kept_since)
            .order_by(AuditEvent.created_at, AuditEvent.id)
            .limit(limit)
        )
        return await self.execute(delete(AuditEvent).where(AuditEvent.id.in_(oldest)))
