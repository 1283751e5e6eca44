"""The job `backup.verify`: a backup is fetched, opened and unpacked into a scratch volume, and what is there
is compared with what was copied. Only then does it count as good.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from backend.backups import archive, letters, scratch
from backend.backups.dao import BackupDAO, PlanDAO
from backend.backups.models import KEPT, BackupState
from backend.backups.working import DAMAGED, DIFFERS, Place, classified, note
from backend.database import now
from backend.engines.base import Reason
from backend.jobs.runner import Claimed, JobError
from backend.services.dao import ServiceDAO

WRONG = frozenset({DAMAGED.code, DIFFERS.code, "backup_object_missing", "archive_invalid"})
"""What shows that a backup is no good; anything else only that it could not be tested now."""
UNTESTED = Reason("backup_untested", "The test was cancelled.")


class Verifying:
    def __init__(self, place: Place) -> None:
        self._place = place

    async def work(self, job: Claimed) -> None:
        place = self._place
        async with job.transaction(step="unpacking", progress=10) as session:
            backup = await BackupDAO(session).of_job(job.id)
            if backup is None or backup.state not in KEPT:
                return
            backup.scratch = True
            await BackupDAO(session).flush()
        assert backup.checksum is not None
        async with classified():
            target = place.target(backup.target)
            volume_id = await scratch.make(place.engine, backup, scratch.TEST, backup.volume_bytes)

            async def unpack(content: AsyncIterator[bytes]) -> None:
                await place.engine.import_volume(volume_id, content)

            identity = place.opened_by(backup)
            await archive.fetch(target, backup.object_key, identity, backup.checksum, unpack)
            await job.progress("comparing", 60)
            found = await archive.list_up(place.engine.export_volume(volume_id))
        if found.digest != backup.manifest:
            raise JobError(DIFFERS.code, DIFFERS.message)
        await self._end(job, BackupState.VERIFIED, None)

    async def fail(self, job: Claimed, error: JobError) -> bool:
        await self._end(job, BackupState.UNVERIFIABLE if error.code in WRONG else None, error)
        return True

    async def cancel(self, job: Claimed) -> bool:
        await self._end(job, None, UNTESTED)
        return True

    async def _end(self, job: Claimed, state: BackupState | None, why: Reason | JobError | None) -> None:
        """None leaves it as it is: stored, and no more is known."""
        place = self._place
        async with place.database.transaction() as session:
            found = await BackupDAO(session).of_job(job.id)
        if found is None:
            return
        clean = await place.sweep(found.id)
        async with job.transaction() as session:
            service = await ServiceDAO(session).get(found.service_id)
            plan = await PlanDAO(session).of(found.service_id)
            backup = await BackupDAO(session).get_locked(found.id)
            if backup is None:
                return
            backup.scratch = not clean
            if backup.state in KEPT:
                note(backup, why)
                if state is not None:
                    backup.state = state
                    backup.verified_at = now() if state is BackupState.VERIFIED else None
                    if plan is not None and service is not None and backup.trigger == "schedule":
                        tell = letters.worked if state is BackupState.VERIFIED else letters.failed
                        await tell(session, place.settings, plan, service, backup)
            await BackupDAO(session).flush()
