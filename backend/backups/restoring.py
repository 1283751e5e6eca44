"""The job `backup.restore`: a backup takes the place of a volume's content, or nothing changes.

It is unpacked into a scratch volume and compared while the app still runs. Then the app stops, what is there
is copied aside, and only then replaced. Each step is written down before the next begins: after a crash the
same job goes on from there, and whatever fails from then on puts back what was there. The app is started
when one of the two is whole; until then this job runs, and nobody else starts the app.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from loguru import logger

from backend.backups import archive, scratch
from backend.backups.dao import BackupDAO, RestoreDAO
from backend.backups.models import KEPT, OPEN_RESTORES, Backup, Restore, RestoreState
from backend.backups.working import CANCELLED, DAMAGED, DIFFERS, GONE, Place, classified, note
from backend.cronjobs.dao import CronRunDAO
from backend.database import now
from backend.engines.base import EngineError, Reason
from backend.jobs.runner import Claimed, JobError
from backend.services.dao import ServiceDAO
from backend.volumes.dao import VolumeDAO

AGAIN = 5.0
"""Seconds between two attempts to put back what was there."""
PAST_RETURN = (RestoreState.SWAPPING, RestoreState.RETURNING)


class Restoring:
    def __init__(self, place: Place) -> None:
        self._place = place

    async def work(self, job: Claimed) -> None:
        begun = await self._begin(job)
        if begun is None:
            return
        restore, backup, size = begun
        if restore.state == RestoreState.RETURNING:
            raise JobError(
                restore.reason_code or "internal_error",
                restore.reason or "It was interrupted.",
                parameters=restore.reason_parameters,
            )
        async with classified():
            if restore.state != RestoreState.SWAPPING:
                await self._unpack(job, restore, backup, size)
                await job.progress("stopping", 50)
                await self._place.stop_app(job, restore.service_id)
                await self._end_tasks(restore)
                await job.progress("putting_aside", 60)
                # One whose data is lost is made anew for this, and for nothing else.
                await self._place.engine.ensure_volume(scratch.spec_of(restore, str(restore.volume_id), size))
                await scratch.make(self._place.engine, restore, scratch.ASIDE, size)
                await self._copy(str(restore.volume_id), scratch.name_of(restore.id, scratch.ASIDE))
                async with job.transaction(step="replacing", progress=80) as session:
                    row = await RestoreDAO(session).get_locked(restore.id)
                    assert row is not None
                    row.state = RestoreState.SWAPPING
                    await RestoreDAO(session).flush()
            await self._copy(scratch.name_of(restore.id, scratch.FRESH), str(restore.volume_id))
            found = await archive.list_up(self._place.engine.export_volume(str(restore.volume_id)))
        if found.digest != backup.manifest:
            raise JobError(DIFFERS.code, DIFFERS.message)
        await self._end(job, restore, RestoreState.SUCCEEDED, None)

    async def fail(self, job: Claimed, error: JobError) -> bool:
        return await self._give_up(job, RestoreState.FAILED, error)

    async def cancel(self, job: Claimed) -> bool:
        return await self._give_up(job, RestoreState.CANCELLED, CANCELLED)

    async def _begin(self, job: Claimed) -> tuple[Restore, Backup, int] | None:
        """None for one that is over."""
        async with job.transaction() as session:
            restore = await RestoreDAO(session).of_job(job.id)
            if restore is None or restore.state not in OPEN_RESTORES:
                return None
            backup = await BackupDAO(session).get(restore.backup_id)
            volume = await VolumeDAO(session).get(restore.volume_id)
            service = await ServiceDAO(session).get(restore.service_id)
            if volume is None or volume.removal_began_at or service is None or service.deleted_at:
                raise JobError(GONE.code, GONE.message)
            if backup is None or backup.state not in KEPT:
                raise JobError("backup_object_missing", "The backup is gone.")
            if restore.state == RestoreState.QUEUED:
                restore.state, restore.scratch = RestoreState.PREPARING, True
            await RestoreDAO(session).flush()
            return restore, backup, volume.size_bytes

    async def _unpack(self, job: Claimed, restore: Restore, backup: Backup, size: int) -> None:
        """Whole and compared, before anything is touched."""
        await job.progress("unpacking", 10)
        place = self._place
        assert backup.checksum is not None
        fresh = await scratch.make(place.engine, restore, scratch.FRESH, size)

        async def unpack(content: AsyncIterator[bytes]) -> None:
            await place.engine.import_volume(fresh, content)

        identity, target = place.opened_by(backup), place.target(backup.target)
        await archive.fetch(target, backup.object_key, identity, backup.checksum, unpack)
        await job.progress("comparing", 40)
        found = await archive.list_up(place.engine.export_volume(fresh))
        if found.digest != backup.manifest:
            raise JobError(DAMAGED.code, DAMAGED.message)

    async def _copy(self, source: str, into: str) -> None:
        engine = self._place.engine
        await engine.import_volume(into, engine.export_volume(source))

    async def _end_tasks(self, restore: Restore) -> None:
        """Cron jobs that write to the volume: no new one begins while a restore into it is open."""
        async with self._place.database.transaction() as session:
            runs = await CronRunDAO(session).open_of_service(restore.service_id)
        for run in runs:
            await self._place.engine.stop_task(str(run.id))

    async def _give_up(self, job: Claimed, state: RestoreState, why: Reason | JobError) -> bool:
        async with self._place.database.transaction() as session:
            restore = await RestoreDAO(session).of_job(job.id)
        if restore is None:
            return True
        if restore.state not in OPEN_RESTORES:
            return restore.state != RestoreState.SUCCEEDED
        if restore.state in PAST_RETURN:
            async with job.transaction(step="returning") as session:
                row = await RestoreDAO(session).get_locked(restore.id)
                assert row is not None
                row.state = RestoreState.RETURNING
                note(row, why)
                await RestoreDAO(session).flush()
            await self._return(restore)
        await self._end(job, restore, state, why)
        return True

    async def _return(self, restore: Restore) -> None:
        """For as long as it takes: what is half there is served to nobody."""
        aside = scratch.name_of(restore.id, scratch.ASIDE)
        while True:
            try:
                await self._copy(aside, str(restore.volume_id))
                return
            except EngineError as error:
                logger.error("volume {} is not as it was yet: {}", restore.volume_id, error.message)
                await asyncio.sleep(AGAIN)

    async def _end(
        self, job: Claimed, restore: Restore, state: RestoreState, why: Reason | JobError | None
    ) -> None:
        async with job.transaction() as session:
            row = await RestoreDAO(session).get_locked(restore.id)
            assert row is not None
            row.state, row.finished_at = state, now()
            note(row, why)
            await RestoreDAO(session).flush()
        await self._place.start_app(restore.service_id)
        if await self._place.sweep(restore.id):
            async with job.transaction() as session:
                row = await RestoreDAO(session).get_locked(restore.id)
                assert row is not None
                row.scratch = False
                await RestoreDAO(session).flush()
