"""Letters about backups by schedule that keep failing, and that work again."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from backend.backups.dao import BackupDAO
from backend.backups.models import Backup, BackupPlan
from backend.config import Settings
from backend.mail import outbox
from backend.services.models import Service

TOLD_AFTER = 2
"""Failures in a row, after which a letter says so, once."""


async def failed(
    session: AsyncSession, settings: Settings, plan: BackupPlan, service: Service, backup: Backup
) -> None:
    plan.failures += 1
    if plan.failures == TOLD_AFTER:
        await _tell(session, settings, "backup_failing", service, backup)


async def worked(
    session: AsyncSession, settings: Settings, plan: BackupPlan, service: Service, backup: Backup
) -> None:
    told, plan.failures = plan.failures >= TOLD_AFTER, 0
    if told:
        await _tell(session, settings, "backup_recovered", service, backup)


async def _tell(
    session: AsyncSession, settings: Settings, template: str, service: Service, backup: Backup
) -> None:
    """To everyone who may mend it; written with what it tells of."""
    for person in await BackupDAO(session).people_of(service.project_id):
        await outbox.write(
            session,
            template,
            to=person.email,
            locale=person.locale,
            user_id=person.id,
            name=person.name,
            service=service.name,
            volume=backup.volume_name,
            url=f"{settings.panel_url}/services/{service.id}/backups",
        )
