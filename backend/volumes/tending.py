"""What volumes need now and then: growing, deleting, and being looked at for how full they are."""

from __future__ import annotations

from uuid import UUID

from loguru import logger

from backend.billing.metering import events as usage
from backend.billing.prices import purchase
from backend.config import Settings
from backend.database import Database, now
from backend.engines.base import Engine, EngineError
from backend.services.dao import ServiceDAO
from backend.volumes import letters
from backend.volumes.dao import VolumeDAO
from backend.volumes.models import Volume
from backend.volumes.mounting import spec_of

AT_ONCE = 50


async def tend(database: Database, engine: Engine) -> None:
    """Let volumes grow that were bought larger, and delete what is to go: for every few seconds."""
    async with database.transaction() as session:
        growing, leaving = await VolumeDAO(session).to_grow(), await VolumeDAO(session).to_remove()
    for volume in growing:
        try:
            await _grow(database, engine, volume)
        except EngineError as error:
            logger.warning("volume {} does not grow yet: {}", volume.id, error.message)
    for service_id in leaving:
        try:
            await _remove(database, engine, service_id)
        except EngineError as error:
            logger.warning("volumes of service {} stay for now: {}", service_id, error.message)


async def measure(settings: Settings, database: Database, engine: Engine) -> None:
    """Write down how full all volumes are, and tell people of those that nearly are."""
    async with database.transaction() as session:
        volumes = await VolumeDAO(session).made()
    for start in range(0, len(volumes), AT_ONCE):
        ids = [str(volume.id) for volume in volumes[start : start + AT_ONCE]]
        try:
            found = await engine.volume_usage(ids)
        except EngineError as error:
            logger.warning("how full volumes are is not known now: {}", error.message)
            return
        async with database.transaction() as session:
            for volume_id, seen in found.items():
                await VolumeDAO(session).note_usage(UUID(volume_id), seen.used_bytes, seen.size_bytes, now())
        for volume_id in found:
            await letters.tell(database, settings, UUID(volume_id))


async def _grow(database: Database, engine: Engine, volume: Volume) -> None:
    made = await engine.ensure_volume(spec_of(volume))
    if not made.grown:
        return
    async with database.transaction() as session:
        row = await VolumeDAO(session).get_locked(volume.id)
        if row is not None:
            row.made_bytes = max(row.made_bytes, volume.size_bytes)


async def _remove(database: Database, engine: Engine, service_id: UUID) -> None:
    """That it began is written first: from then on nobody can take it back."""
    async with database.transaction() as session:
        service = await ServiceDAO(session).get_locked(service_id)
        assert service is not None
        volumes = await VolumeDAO(session).removable(service)
        for volume in volumes:
            volume.removal_began_at = volume.removal_began_at or now()
        await VolumeDAO(session).flush()
    for volume in volumes:
        await engine.remove_volume(str(volume.id))
        async with database.transaction() as session:
            service = await ServiceDAO(session).get_locked(service_id)
            await VolumeDAO(session).delete(volume.id)
            if service is not None:
                await usage.follow(session, service)
                await purchase.settle(session, service)
        logger.info("volume {} of service {} is deleted", volume.id, service_id)
