"""What backups need now and then: those that are due, those that go, and what crashes left behind."""

from __future__ import annotations

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.backups import asking
from backend.backups.dao import BackupDAO, PlanDAO, RestoreDAO
from backend.backups.models import Backup, BackupPlan, BackupState, RestoreState
from backend.backups.retaining import kept
from backend.backups.targets import Target, TargetError, target_of
from backend.backups.working import CANCELLED, Place, note
from backend.billing.metering import events as usage
from backend.cronjobs.schedule import Schedule, ScheduleError, zone_of
from backend.database import Database, now
from backend.services.dao import ServiceDAO
from backend.services.models import Service
from backend.volumes.dao import VolumeDAO

BATCH = 100
FAILED_KEPT = 20


async def tend(place: Place, moment: datetime | None = None) -> None:
    """One look at everything; several at once are as good as one. `moment` is for tests."""
    moment = moment or now()
    target = target_of(place.settings)
    if target is not None:
        await _claim(place.database, target, moment)
    await _settle(place)
    await _expire(place.database, moment)
    await _remove(place)


async def _claim(database: Database, target: Target, moment: datetime) -> None:
    async with database.transaction() as session:
        for plan, service in await PlanDAO(session).due(moment, BATCH):
            await _take_up(session, target, plan, service, moment)


async def _take_up(
    session: AsyncSession, target: Target, plan: BackupPlan, service: Service, moment: datetime
) -> None:
    """The newest of its times that are over, however late."""
    assert plan.next_run_at is not None
    zone = zone_of(plan.time_zone)
    try:
        schedule = Schedule(plan.schedule, zone or ZoneInfo("UTC"))
    except ScheduleError as error:
        logger.warning("backups of {} are never due again: {}", service.name, error)
        plan.next_run_at = None
        return
    newest = schedule.newest(plan.next_run_at, moment)
    plan.next_run_at = schedule.next(moment)
    if service.suspended_at is not None or (not service.should_run and not service.should_stand_still):
        return
    for volume in await VolumeDAO(session).of(service.id):
        if not volume.made_bytes or volume.removal_requested_at is not None:
            continue
        await asking.accept(session, target, service, volume, plan, scheduled_for=newest)
        staying = await BackupDAO(session).kept_of(volume.id)
        keep = kept(staying, plan, zone or ZoneInfo("UTC"))
        for backup in staying:
            if backup.id not in keep and not await BackupDAO(session).being_restored(backup.id):
                backup.state = BackupState.REMOVING
        await BackupDAO(session).trim_failed(volume.id, FAILED_KEPT)


async def _settle(place: Place) -> None:
    """Jobs that were called off before they began, and scratch volumes that could not be removed."""
    async with place.database.transaction() as session:
        for backup in await BackupDAO(session).abandoned():
            backup.state, backup.finished_at = BackupState.CANCELLED, now()
            note(backup, CANCELLED)
        for restore in await RestoreDAO(session).abandoned():
            restore.state, restore.finished_at = RestoreState.CANCELLED, now()
            note(restore, CANCELLED)
    async with place.database.transaction() as session:
        tests = [row.id for row in await BackupDAO(session).with_scratch()]
        restores = [row.id for row in await RestoreDAO(session).with_scratch()]
    for row_id in (*tests, *restores):
        if await place.sweep(row_id):
            async with place.database.transaction() as session:
                row = await (BackupDAO if row_id in tests else RestoreDAO)(session).get_locked(row_id)
                if row is not None:
                    row.scratch = False


async def _expire(database: Database, moment: datetime) -> None:
    async with database.transaction() as session:
        for backup in await BackupDAO(session).expired(moment, BATCH):
            if not await BackupDAO(session).being_restored(backup.id):
                backup.state = BackupState.REMOVING


async def _remove(place: Place) -> None:
    async with place.database.transaction() as session:
        leaving = await BackupDAO(session).to_remove(BATCH)
    for backup in leaving:
        target = target_of(place.settings, backup.target)
        if target is None and backup.stored_bytes:
            # Another target is set now: its object can be removed when that one is back.
            continue
        try:
            if target is not None:
                await asyncio.to_thread(target.remove, backup.object_key)
        except TargetError as error:
            logger.warning("backup {} stays at its target for now: {}", backup.id, error.message)
            if error.code == "backup_target_unavailable":
                return
            continue
        await _forget(place.database, backup)


async def _forget(database: Database, backup: Backup) -> None:
    async with database.transaction() as session:
        service = await ServiceDAO(session).get_locked(backup.service_id)
        await BackupDAO(session).delete(backup.id)
        if service is not None:
            await usage.follow(session, service)
