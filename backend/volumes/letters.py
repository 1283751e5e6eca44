"""The letter about a volume that is nearly full: once, and again only after it was well below that."""

from __future__ import annotations

from uuid import UUID

from backend.config import Settings
from backend.cronjobs.dao import CronJobDAO
from backend.database import Database, now
from backend.mail import outbox
from backend.services.dao import ServiceDAO
from backend.volumes.dao import VolumeDAO

NEARLY_FULL = 0.9
WELL_BELOW = 0.8
"""Not just below: one that goes up and down around the mark would make a letter each time."""


async def tell(database: Database, settings: Settings, volume_id: UUID) -> None:
    """Judge by what was measured last; whom it was told is written with the letters."""
    async with database.transaction() as session:
        volume = await VolumeDAO(session).get_locked(volume_id)
        if volume is None or not volume.capacity_bytes or volume.used_bytes is None:
            return
        share = volume.used_bytes / volume.capacity_bytes
        if volume.told_full_at is not None and share < WELL_BELOW:
            await VolumeDAO(session).note_told(volume_id, None)
        if volume.told_full_at is not None or share < NEARLY_FULL or volume.removal_requested_at is not None:
            return
        service = await ServiceDAO(session).get(volume.service_id)
        assert service is not None
        await VolumeDAO(session).note_told(volume_id, now())
        for person in await CronJobDAO(session).people_of(volume.project_id):
            await outbox.write(
                session,
                "volume_nearly_full",
                to=person.email,
                locale=person.locale,
                user_id=person.id,
                name=person.name,
                volume=volume.name,
                service=service.name,
                # Never 100 while something fits.
                percent=int(min(share, 1) * 100),
                url=f"{settings.panel_url}/services/{service.id}/storage",
            )
