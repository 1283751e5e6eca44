"""Statements over backups, the plans of services for them, and restores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from backend.backups.models import (
    KEPT,
    OPEN_BACKUPS,
    OPEN_RESTORES,
    Backup,
    BackupPlan,
    BackupState,
    Restore,
    RestoreState,
)
from backend.dao.base import BaseDAO
from backend.jobs.models import OPEN, Job
from backend.projects.models import ProjectMember
from backend.services.models import Service
from backend.users.models import User

_OPEN = tuple(str(state) for state in OPEN_BACKUPS)
_KEPT = tuple(str(state) for state in KEPT)
_RESTORING = tuple(str(state) for state in OPEN_RESTORES)


class BackupDAO(BaseDAO[Backup]):
    model = Backup

    async def readable(self, backup_id: UUID, projects: Sequence[UUID]) -> Backup | None:
        return await self.one(
            select(Backup).where(
                Backup.id == backup_id,
                Backup.project_id.in_(projects),
                Backup.state != BackupState.REMOVING,
            )
        )

    async def of_job(self, job_id: UUID) -> Backup | None:
        return await self.one(select(Backup).where(Backup.job_id == job_id))

    async def insert_once(self, values: dict[str, Any]) -> bool:
        """False for a time that has its backup, and for a volume that has one under way."""
        statement = insert(Backup).values(**values).on_conflict_do_nothing().returning(Backup.id)
        return await self.scalar(statement) is not None

    async def count_kept(self, service_id: UUID) -> int:
        statement = select(func.count()).where(
            Backup.service_id == service_id, Backup.state.in_((*_OPEN, *_KEPT))
        )
        counted: int = await self.scalar(statement)
        return counted

    async def kept_of(self, volume_id: UUID) -> Sequence[Backup]:
        """What lies at the target, newest first."""
        statement = select(Backup).where(Backup.volume_id == volume_id, Backup.state.in_(_KEPT))
        return await self.all(statement.order_by(Backup.created_at.desc(), Backup.id.desc()))

    async def trim_failed(self, volume_id: UUID, kept: int) -> None:
        """Of those that came to nothing, leave the newest."""
        ended = (BackupState.FAILED, BackupState.CANCELLED)
        of_volume = (Backup.volume_id == volume_id, Backup.state.in_(ended), ~Backup.scratch)
        old: Any = (
            select(Backup.id)
            .where(*of_volume)
            .order_by(Backup.created_at.desc(), Backup.id.desc())
            .offset(kept)
            .scalar_subquery()
        )
        await self.execute(delete(Backup).where(Backup.id.in_(old)))

    async def being_restored(self, backup_id: UUID) -> bool:
        wanted = exists().where(Restore.backup_id == backup_id, Restore.state.in_(_RESTORING))
        return bool(await self.scalar(select(wanted)))

    async def expired(self, moment: datetime, limit: int) -> Sequence[Backup]:
        """Under lock, but for those that something is made of now."""
        statement = (
            select(Backup)
            .where(
                Backup.expires_at <= moment,
                Backup.state != BackupState.REMOVING,
                Backup.state.not_in(_OPEN),
            )
            .limit(limit)
        )
        return await self.all(statement.with_for_update(skip_locked=True))

    async def to_remove(self, limit: int) -> Sequence[Backup]:
        """Nothing of whose test is left, for its row says what to look for."""
        busy = exists().where(Job.id == Backup.job_id, Job.state.in_(OPEN))
        statement = select(Backup).where(Backup.state == BackupState.REMOVING, ~Backup.scratch, ~busy)
        return await self.all(statement.order_by(Backup.id).limit(limit))

    async def with_scratch(self) -> Sequence[Backup]:
        """Whose test is over, and left something behind."""
        busy = exists().where(Job.id == Backup.job_id, Job.state.in_(OPEN))
        return await self.all(select(Backup).where(Backup.scratch, ~busy).limit(50))

    async def abandoned(self) -> Sequence[Backup]:
        """Open ones whose job is over: it was called off before it began."""
        busy = exists().where(Job.id == Backup.job_id, Job.state.in_(OPEN))
        statement = select(Backup).where(Backup.state.in_(_OPEN), ~busy).limit(50)
        return await self.all(statement.with_for_update(skip_locked=True))

    async def expire(self, service_id: UUID, at: datetime) -> None:
        await self.execute(
            update(Backup)
            .where(Backup.service_id == service_id, Backup.expires_at.is_(None))
            .values(expires_at=at)
        )

    async def people_of(self, project_id: UUID) -> Sequence[Row[Any]]:
        """Who is told of backups: whoever may mend them."""
        statement = (
            select(User.id, User.email, User.name, User.locale)
            .join(ProjectMember, ProjectMember.user_id == User.id)
            .where(
                ProjectMember.project_id == project_id,
                ProjectMember.role.in_(("owner", "developer")),
                User.is_active,
            )
            .order_by(User.id)
        )
        return await self.rows(statement)

    async def totals(self) -> Row[Any] | None:
        """Of the whole installation, for its operator."""
        kept, failed = Backup.state.in_(_KEPT), Backup.state == BackupState.FAILED
        outlived = Backup.expires_at.is_not(None)
        statement = select(
            func.count().filter(kept).label("kept"),
            func.count().filter(Backup.state == BackupState.VERIFIED).label("verified"),
            func.count().filter(Backup.state == BackupState.STORED).label("untested"),
            func.count().filter(Backup.state == BackupState.UNVERIFIABLE).label("damaged"),
            func.count().filter(failed).label("failed"),
            func.coalesce(func.sum(Backup.stored_bytes).filter(kept), 0).label("stored_bytes"),
            func.coalesce(func.sum(Backup.stored_bytes).filter(kept, outlived), 0).label("outlived_bytes"),
            func.max(Backup.verified_at).label("last_verified_at"),
            func.max(Backup.finished_at).filter(failed).label("last_failed_at"),
        )
        return await self.row(statement)


class PlanDAO(BaseDAO[BackupPlan]):
    model = BackupPlan

    async def of(self, service_id: UUID) -> BackupPlan | None:
        return await self.one(select(BackupPlan).where(BackupPlan.service_id == service_id))

    async def due(self, moment: datetime, limit: int) -> list[tuple[BackupPlan, Service]]:
        """Under lock, with their services: whose row somebody holds is left for the next round."""
        statement = (
            select(BackupPlan, Service)
            .join(Service, Service.id == BackupPlan.service_id)
            .where(BackupPlan.next_run_at <= moment, Service.deleted_at.is_(None))
            .order_by(BackupPlan.next_run_at)
            .limit(limit)
            .with_for_update(skip_locked=True, key_share=True)
        )
        found: Sequence[Any] = await self.rows(statement.execution_options(populate_existing=True))
        return [(row[0], row[1]) for row in found]

    async def count_failing(self) -> int:
        counted: int = await self.scalar(select(func.count()).where(BackupPlan.failures > 0))
        return counted

    async def forget(self, service_id: UUID) -> None:
        await self.execute(delete(BackupPlan).where(BackupPlan.service_id == service_id))


class RestoreDAO(BaseDAO[Restore]):
    model = Restore

    async def of_job(self, job_id: UUID) -> Restore | None:
        return await self.one(select(Restore).where(Restore.job_id == job_id))

    async def insert_once(self, values: dict[str, Any]) -> bool:
        """False for a volume that something is brought back into already."""
        statement = insert(Restore).values(**values).on_conflict_do_nothing().returning(Restore.id)
        return await self.scalar(statement) is not None

    async def with_scratch(self) -> Sequence[Restore]:
        busy = exists().where(Job.id == Restore.job_id, Job.state.in_(OPEN))
        return await self.all(select(Restore).where(Restore.scratch, ~busy).limit(50))

    async def abandoned(self) -> Sequence[Restore]:
        """As for backups, and nothing was touched yet."""
        busy = exists().where(Job.id == Restore.job_id, Job.state.in_(OPEN))
        untouched = (RestoreState.QUEUED, RestoreState.PREPARING)
        statement = select(Restore).where(Restore.state.in_(untouched), ~busy).limit(50)
        return await self.all(statement.with_for_update(skip_locked=True))

    async def newest_of(self, service_id: UUID, limit: int) -> Sequence[Restore]:
        statement = select(Restore).where(Restore.service_id == service_id)
        return await self.all(statement.order_by(Restore.created_at.desc(), Restore.id.desc()).limit(limit))

    async def under_way(self, service_id: UUID) -> bool:
        wanted = exists().where(Restore.service_id == service_id, Restore.state.in_(_RESTORING))
        return bool(await self.scalar(select(wanted)))
