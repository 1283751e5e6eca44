"""What customers and schedules ask of backups: accepting only, under the service's row lock."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.backups.dao import BackupDAO, PlanDAO, RestoreDAO
from backend.backups.models import KEPT, Backup, BackupPlan, BackupState, Restore, RestoreState
from backend.backups.targets import Target
from backend.config import Settings
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.jobs import queue
from backend.jobs.models import Job
from backend.services.models import Service
from backend.services.trail import record_about
from backend.utils.ids import new_id
from backend.volumes.dao import VolumeDAO
from backend.volumes.models import Volume

NO_TARGET = "This installation has no place for backups. Its operator can set one."


async def make_now(
    session: AsyncSession,
    settings: Settings,
    target: Target | None,
    service: Service,
    volume_id: UUID,
    user_id: UUID,
) -> tuple[Backup, Job]:
    """Raises `Conflict` for what cannot be had now."""
    if target is None:
        raise Conflict(NO_TARGET, code="not_supported_here")
    volume = await _volume(session, service, volume_id)
    if await BackupDAO(session).count_kept(service.id) >= settings.backups_per_service:
        raise Conflict(
            "The service has as many backups as it may. Remove old ones first.",
            code="backups_full",
            parameters={"most": settings.backups_per_service},
        )
    plan = await PlanDAO(session).of(service.id)
    made = await accept(session, target, service, volume, plan, user_id=user_id)
    if made is None:
        raise Conflict("A backup of this volume is being made already.", code="backup_under_way")
    await record_about(session, service, Action.SERVICE_BACKUP_ASKED, after={"volume": volume.name})
    return made


async def accept(
    session: AsyncSession,
    target: Target,
    service: Service,
    volume: Volume,
    plan: BackupPlan | None,
    *,
    scheduled_for: datetime | None = None,
    user_id: UUID | None = None,
) -> tuple[Backup, Job] | None:
    """None if that time has its backup, or one of the volume is under way."""
    backup_id = new_id()
    values = {
        "id": backup_id,
        "project_id": service.project_id,
        "service_id": service.id,
        "volume_id": volume.id,
        "volume_name": volume.name,
        "volume_bytes": volume.size_bytes,
        "trigger": "manual" if scheduled_for is None else "schedule",
        "scheduled_for": scheduled_for,
        "state": BackupState.QUEUED,
        "stopped": plan.stop_app if plan else False,
        "command": plan.command if plan else "",
        "target": target.name,
        "object_key": f"{service.project_id}/{service.id}/{volume.id}/{backup_id}.tar.zst.age",
        "user_id": user_id,
    }
    if not await BackupDAO(session).insert_once(values):
        return None
    job = await queue.accept(
        session, "backup.make", project_id=service.project_id, user_id=user_id, service_id=service.id
    )
    backup = await BackupDAO(session).get(backup_id)
    assert backup is not None
    backup.job_id = job.id
    await BackupDAO(session).flush()
    return backup, job


async def restore(
    session: AsyncSession,
    service: Service,
    backup: Backup,
    volume_id: UUID,
    name: str,
    user_id: UUID,
) -> tuple[Restore, Job]:
    """Into a volume of `service`, whose present content goes. `name` proves that this is meant."""
    if backup.project_id != service.project_id:
        raise NotFound("There is no such backup.")
    if backup.state not in KEPT:
        raise Conflict("This backup holds nothing that could be brought back.", code="backup_not_kept")
    if backup.state == BackupState.UNVERIFIABLE:
        message = "The test of this backup found that it is damaged: it is not brought back over good data."
        raise Conflict(message, code="backup_damaged")
    volume = await _volume(session, service, volume_id)
    if name != volume.name:
        message = "Type the volume's name to replace all its data."
        raise invalid_field(["body", "name"], message, "name_differs")
    restore_id = new_id()
    values = {
        "id": restore_id,
        "project_id": service.project_id,
        "service_id": service.id,
        "volume_id": volume.id,
        "volume_name": volume.name,
        "backup_id": backup.id,
        "state": RestoreState.QUEUED,
        "user_id": user_id,
    }
    if not await RestoreDAO(session).insert_once(values):
        message = "A backup is being brought back into this volume already."
        raise Conflict(message, code="restore_under_way")
    job = await queue.accept(
        session, "backup.restore", project_id=service.project_id, user_id=user_id, service_id=service.id
    )
    row = await RestoreDAO(session).get(restore_id)
    assert row is not None
    row.job_id = job.id
    await RestoreDAO(session).flush()
    after = {"volume": volume.name, "backup": str(backup.id), "made_at": backup.created_at.isoformat()}
    await record_about(session, service, Action.SERVICE_RESTORE_ASKED, after=after)
    return row, job


async def remove(session: AsyncSession, service: Service, backup: Backup) -> None:
    """Its object goes soon after. Raises `Conflict` while something is made of it."""
    if backup.state in (BackupState.QUEUED, BackupState.RUNNING):
        raise Conflict("The backup is being made: cancel its job first.", code="backup_under_way")
    if await BackupDAO(session).being_restored(backup.id):
        raise Conflict("The backup is being brought back now.", code="restore_under_way")
    backup.state = BackupState.REMOVING
    await BackupDAO(session).flush()
    after = {"volume": backup.volume_name, "made_at": backup.created_at.isoformat()}
    await record_about(session, service, Action.SERVICE_BACKUP_REMOVED, after=after)


async def _volume(session: AsyncSession, service: Service, volume_id: UUID) -> Volume:
    volume = await VolumeDAO(session).get_locked(volume_id)
    if volume is None or volume.service_id != service.id:
        raise NotFound("The service has no such volume.")
    if volume.removal_requested_at is not None:
        raise Conflict("The volume is about to be deleted.", code="volume_leaving")
    if not volume.made_bytes:
        raise Conflict(
            "The volume is made by the next deployment: there is none yet.", code="volume_not_made"
        )
    return volume
