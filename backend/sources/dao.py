"""Statements over the tokens and deploy keys of sources."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from backend.dao.base import BaseDAO
from backend.sources.models import DeployKey, SourceToken


class SourceTokenDAO(BaseDAO[SourceToken]):
    model = SourceToken


class DeployKeyDAO(BaseDAO[DeployKey]):
    model = DeployKey

    async def of(self, service_id: UUID) -> DeployKey | None:
        return await self.one(select(DeployKey).where(DeployKey.service_id == service_id))

    async def waiting(
        self, key_id: UUID, projects: Sequence[UUID], *, lock: bool = False
    ) -> DeployKey | None:
        """One that no service has taken yet, in one of these projects."""
        statement = select(DeployKey).where(
            DeployKey.id == key_id, DeployKey.project_id.in_(projects), DeployKey.service_id.is_(None)
        )
        return await self.one(statement.with_for_update() if lock else statement)

    async def count_waiting(self, project_id: UUID) -> int:
        statement = select(func.count()).where(
            DeployKey.project_id == project_id, DeployKey.service_id.is_(None)
        )
        counted: int = await self.scalar(statement)
        return counted

    async def delete_waiting(self, before: datetime) -> int:
        """A batch of what no order has taken; gives how many."""
        return await self.delete_some(DeployKey.service_id.is_(None) & (DeployKey.created_at < before))
