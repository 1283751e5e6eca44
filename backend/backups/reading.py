"""Backups that somebody may see. 404 for what is not theirs."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.backups import asking, planning
from backend.backups.dao import BackupDAO, PlanDAO, RestoreDAO
from backend.backups.models import Backup
from backend.backups.targets import TargetError, target_of
from backend.backups.views import shape_restore
from backend.config import Settings
from backend.database import Database
from backend.exceptions import NotFound
from backend.oauth.identity import Principal
from backend.projects.access import not_enough
from backend.roles.permissions import SERVICES_READ, SERVICES_WRITE
from backend.services.dao import ServiceDAO

RESTORES_SHOWN = 10


async def service(session: AsyncSession, principal: Principal, service_id: UUID) -> None:
    found = await ServiceDAO(session).readable(service_id, tuple(principal.projects))
    if found is None or not principal.may(SERVICES_READ, found.project_id):
        raise NotFound("There is no such service.")


async def backup(session: AsyncSession, principal: Principal, backup_id: UUID) -> Backup:
    found = await BackupDAO(session).readable(backup_id, principal.project_ids(SERVICES_READ))
    if found is None:
        raise NotFound("There is no such backup.")
    return found


async def remove(session: AsyncSession, principal: Principal, backup_id: UUID) -> None:
    """Also of a service that is deleted."""
    found = await backup(session, principal, backup_id)
    if not principal.may(SERVICES_WRITE, found.project_id):
        raise not_enough()
    owner = await ServiceDAO(session).get_locked(found.service_id)
    locked = await BackupDAO(session).get_locked(backup_id)
    if owner is None or locked is None:
        raise NotFound("There is no such backup.")
    await asking.remove(session, owner, locked)


async def plan(session: AsyncSession, settings: Settings, service_id: UUID) -> dict[str, Any]:
    row = await PlanDAO(session).of(service_id)
    return {
        **planning.shown(row),
        "next_run_at": row.next_run_at if row else None,
        "failures": row.failures if row else 0,
        "available": target_of(settings) is not None,
        "kept_after_deletion_days": settings.backup_kept_after_deletion_days,
    }


async def restores(session: AsyncSession, service_id: UUID) -> dict[str, Any]:
    found = await RestoreDAO(session).newest_of(service_id, RESTORES_SHOWN)
    return {"items": [shape_restore(row) for row in found]}


async def overview(settings: Settings, database: Database) -> dict[str, Any]:
    async with database.transaction() as session:
        totals = await BackupDAO(session).totals()
        failing = await PlanDAO(session).count_failing()
    assert totals is not None
    target, problem, free = target_of(settings), None, None
    if target is not None:
        try:
            await asyncio.to_thread(target.check)
            free = await asyncio.to_thread(target.free_bytes)
        except TargetError as error:
            problem = error.code
    return {
        **totals._asdict(),
        # PostgreSQL sums bigints as numeric.
        "stored_bytes": int(totals.stored_bytes),
        "outlived_bytes": int(totals.outlived_bytes),
        "failing_services": failing,
        "target": target.name if target else None,
        "place": target.place if target else None,
        "problem": problem,
        "free_bytes": free,
        "second_key": bool(settings.backup_recipient),
        "kept_after_deletion_days": settings.backup_kept_after_deletion_days,
    }
