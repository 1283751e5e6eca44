"""Statements over the tokens and deploy keys of sources."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, exists, func, or_, select

from backend.dao.base import BaseDAO
from backend.services.models import FINAL, Deployment, Service
from backend.sources.models import DeployKey, RegistryLogin, SourceArchive, SourceToken


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


class RegistryLoginDAO(BaseDAO[RegistryLogin]):
    model = RegistryLogin

    async def of(self, service_id: UUID) -> Sequence[RegistryLogin]:
        statement = select(RegistryLogin).where(RegistryLogin.service_id == service_id)
        return await self.all(statement.order_by(RegistryLogin.host))

    async def remove(self, service_id: UUID, host: str) -> None:
        await self.execute(
            delete(RegistryLogin).where(RegistryLogin.service_id == service_id, RegistryLogin.host == host)
        )

    async def remove_all(self, service_id: UUID) -> None:
        await self.execute(delete(RegistryLogin).where(RegistryLogin.service_id == service_id))


class SourceArchiveDAO(BaseDAO[SourceArchive]):
    model = SourceArchive

    async def waiting(self, archive_id: UUID, project_id: UUID) -> SourceArchive | None:
        """One that no service has taken yet, under lock."""
        statement = select(SourceArchive).where(
            SourceArchive.id == archive_id,
            SourceArchive.project_id == project_id,
            SourceArchive.service_id.is_(None),
        )
        return await self.one(statement.with_for_update())

    async def count_waiting(self, project_id: UUID) -> int:
        statement = select(func.count()).where(
            SourceArchive.project_id == project_id, SourceArchive.service_id.is_(None)
        )
        counted: int = await self.scalar(statement)
        return counted

    async def delete_unneeded(self, waiting_since: datetime) -> None:
        """Those that no order took in time, and those of services that have another source by now."""
        present = exists().where(Service.archive_id == SourceArchive.id, Service.deleted_at.is_(None))
        needed = exists().where(
            Deployment.archive_id == SourceArchive.id,
            or_(Deployment.state.not_in(FINAL), Deployment.build_kept),
        )
        forgotten = and_(SourceArchive.service_id.is_(None), SourceArchive.created_at < waiting_since)
        replaced = and_(SourceArchive.service_id.is_not(None), ~present, ~needed)
        await self.execute(delete(SourceArchive).where(or_(forgotten, replaced)))

    async def known(self, names: Sequence[str]) -> set[str]:
        """Of these ids, those that there are."""
        ids = [UUID(name) for name in names if _is_id(name)]
        rows = await self.rows(select(SourceArchive.id).where(SourceArchive.id.in_(ids)))
        return {str(row.id) for row in rows}


def _is_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True
