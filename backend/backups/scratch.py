"""Volumes that nobody mounts, for the time of a test or of a change-over. Their ids follow from what they are
for, so that none is ever lost.
"""

from __future__ import annotations

from uuid import UUID, uuid5

from backend.backups.models import Backup, Restore
from backend.engines.base import Engine, VolumeSpec

TEST, FRESH, ASIDE = "test", "fresh", "aside"
ALL = (TEST, FRESH, ASIDE)


def name_of(owner_id: UUID, what: str) -> str:
    return str(uuid5(owner_id, what))


async def make(engine: Engine, owner: Backup | Restore, what: str, size_bytes: int) -> str:
    volume_id = name_of(owner.id, what)
    await engine.ensure_volume(spec_of(owner, volume_id, size_bytes))
    return volume_id


def spec_of(owner: Backup | Restore, volume_id: str, size_bytes: int) -> VolumeSpec:
    return VolumeSpec(volume_id, str(owner.service_id), str(owner.project_id), size_bytes)


async def remove_all(engine: Engine, owner_id: UUID) -> None:
    for what in ALL:
        await engine.remove_volume(name_of(owner_id, what))
