"""The job `backup.make`: a volume's content goes to the target, sealed; then comes the job that tests it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid5

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.backups import archive, letters
from backend.backups.dao import BackupDAO, PlanDAO
from backend.backups.keys import sealed_to
from backend.backups.models import OPEN_BACKUPS, Backup, BackupState
from backend.backups.working import CANCELLED, GONE, Place, classified, note
from backend.billing.metering import events as usage
from backend.database import now
from backend.engines.base import Reason, TaskSpec
from backend.jobs import queue
from backend.jobs.runner import Claimed, JobError
from backend.services.dao import ServiceDAO
from backend.services.releasespec import release_of
from backend.volumes.dao import VolumeDAO

COMMAND_SECONDS = 1800.0


async def _no_report(_: str) -> None:
    """What the command prints may hold data of the customer's; only how it ended is kept."""


class Making:
    def __init__(self, place: Place) -> None:
        self._place = place

    async def work(self, job: Claimed) -> None:
        backup = await self._begin(job)
        if backup is None:
            return
        place = self._place
        recipients = sealed_to(place.settings.master_key, backup.project_id, place.settings.backup_recipient)
        async with classified():
            target = place.target(backup.target)
            await self._run_command(job, backup)
            await job.progress("copying", 20)
            if backup.stopped:
                await place.stop_app(job, backup.service_id)
            content = place.engine.export_volume(str(backup.volume_id))
            stored = await archive.store(
                content, target, backup.object_key, recipients, expected_bytes=backup.volume_bytes
            )
        await self._end(job, BackupState.STORED, None, stored)
        if backup.stopped:
            await place.start_app(backup.service_id)

    async def fail(self, job: Claimed, error: JobError) -> bool:
        return await self._give_up(job, BackupState.FAILED, error)

    async def cancel(self, job: Claimed) -> bool:
        return await self._give_up(job, BackupState.CANCELLED, CANCELLED)

    async def _begin(self, job: Claimed) -> Backup | None:
        """None for one that is over."""
        async with job.transaction() as session:
            backup = await self._own(session, job)
            if backup is None or backup.state not in OPEN_BACKUPS:
                return None
            volume = await VolumeDAO(session).get(backup.volume_id)
            service = await ServiceDAO(session).get(backup.service_id)
            if volume is None or volume.removal_began_at or service is None or service.deleted_at:
                raise JobError(GONE.code, GONE.message)
            backup.state, backup.started_at = BackupState.RUNNING, backup.started_at or now()
            backup.volume_bytes = volume.size_bytes
            return backup

    @staticmethod
    async def _own(session: AsyncSession, job: Claimed) -> Backup | None:
        dao = BackupDAO(session)
        found = await dao.of_job(job.id)
        return await dao.get_locked(found.id) if found else None

    async def _run_command(self, job: Claimed, backup: Backup) -> None:
        """In the release that is live; a dump that failed makes no backup."""
        if not backup.command:
            return
        await job.progress("preparing", 5)
        async with job.transaction() as session:
            service = await ServiceDAO(session).get(backup.service_id)
            assert service is not None
            live = service.live_deployment_id if service.should_run else None
            release = await release_of(session, live) if live else None
        if release is None:
            message = "The command before the backup needs the service to run."
            raise JobError("backup_command_failed", message, parameters={"because": "stopped"})
        # One run for each attempt of the work: after a crash its file may be half written.
        task_id = str(uuid5(backup.id, f"command {job.attempts}"))
        spec = TaskSpec(task_id=task_id, release=release, command=backup.command, timeout=COMMAND_SECONDS)
        try:
            result = await self._place.engine.run_task(spec, _no_report)
        finally:
            await self._place.engine.stop_task(task_id)
        if result.reason is not None:
            message = f"The command before the backup failed: {result.reason.message}"
            raise JobError("backup_command_failed", message, parameters=dict(result.reason.parameters or {}))

    async def _give_up(self, job: Claimed, state: BackupState, why: Reason | JobError) -> bool:
        async with self._place.database.transaction() as session:
            backup = await BackupDAO(session).of_job(job.id)
        if backup is None:
            return True
        if backup.state not in OPEN_BACKUPS:
            # It was stored before.
            return False
        # First what was begun: once its state is final nobody looks for it.
        try:
            async with classified():
                target = self._place.target(backup.target)
                await asyncio.to_thread(target.remove, backup.object_key)
        except JobError as error:
            logger.warning("what was begun of backup {} stays: {}", backup.id, error)
        await self._end(job, state, why, None)
        if backup.stopped:
            await self._place.start_app(backup.service_id)
        return True

    async def _end(
        self, job: Claimed, state: BackupState, why: Reason | JobError | None, stored: archive.Stored | None
    ) -> None:
        async with job.transaction() as session:
            backup = await self._own(session, job)
            if backup is None:
                return
            backup.state, backup.finished_at = state, now()
            note(backup, why)
            service = await ServiceDAO(session).get_locked(backup.service_id)
            assert service is not None
            if stored is not None:
                backup.stored_bytes, backup.checksum = stored.stored_bytes, stored.checksum
                backup.manifest, backup.entries = stored.manifest.digest, stored.manifest.entries
                backup.content_bytes = stored.manifest.content_bytes
                await BackupDAO(session).flush()
                await usage.follow(session, service, job_id=job.id)
                test = await queue.accept(
                    session, "backup.verify", project_id=backup.project_id, user_id=backup.user_id
                )
                backup.job_id = test.id
            elif service.deleted_at is not None and backup.expires_at is None:
                days = self._place.settings.backup_kept_after_deletion_days
                backup.expires_at = now() + timedelta(days=days)
            plan = await PlanDAO(session).of(backup.service_id)
            if state is BackupState.FAILED and plan is not None and backup.trigger == "schedule":
                await letters.failed(session, self._place.settings, plan, service, backup)
            await BackupDAO(session).flush()
