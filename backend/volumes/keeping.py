"""What a customer asks of volumes: add, grow, remove, keep after all. Accepting only, under the service's row
lock; what the engine has to do of it is in `mounting.py` and `tending.py`.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.billing.metering import events as usage
from backend.billing.prices import purchase
from backend.config import Settings
from backend.database import now
from backend.engines.base import Engine
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.services.models import Service
from backend.services.trail import record_about
from backend.volumes.dao import FileDAO, VolumeDAO
from backend.volumes.models import GIB, Volume
from backend.volumes.paths import check_path, refuse_overlap
from backend.volumes.schemas import VolumeIn

ABILITY = "volumes"
METER = "volume"


async def add(
    session: AsyncSession, settings: Settings, engine: Engine, service: Service, wanted: VolumeIn
) -> Volume:
    """Raises `Invalid` per field, and `Conflict` for what the service, or this engine, cannot have."""
    if ABILITY not in engine.abilities:
        raise Conflict("This installation keeps no volumes.", code="not_supported_here")
    check_path(wanted.path, "path")
    _check_size(settings, wanted.size_gib)
    volumes = VolumeDAO(session)
    present = await volumes.of(service.id)
    if len(present) >= settings.volumes_per_service:
        raise Conflict(
            "The service has as many volumes as it may.",
            code="volumes_full",
            parameters={"most": settings.volumes_per_service},
        )
    if any(volume.name == wanted.name for volume in present):
        raise Conflict("The service has a volume of this name.", code="name_taken")
    files = await FileDAO(session).of(service.id)
    refuse_overlap(wanted.path, [*(volume.path for volume in present), *(file.path for file in files)])
    if await volumes.web_replicas(service.id) > 1:
        raise _one_replica()
    await purchase.add(session, service, METER, wanted.size_gib)
    volume = Volume(
        project_id=service.project_id,
        service_id=service.id,
        name=wanted.name,
        path=wanted.path,
        size_bytes=wanted.size_gib * GIB,
        made_bytes=0,
    )
    await volumes.add(volume)
    await usage.follow(session, service)
    after = {"name": volume.name, "path": volume.path, "size_gib": wanted.size_gib}
    await record_about(session, service, Action.SERVICE_VOLUME_ADDED, after=after)
    return volume


async def grow(
    session: AsyncSession, settings: Settings, service: Service, volume_id: UUID, size_gib: int
) -> Volume:
    """Larger only: no file system gives space back while it is in use."""
    volume = await _of(session, service, volume_id)
    _check_size(settings, size_gib)
    _refuse_leaving(volume)
    before = volume.size_bytes // GIB
    if size_gib < before:
        message = "A volume can grow, but not shrink."
        raise Conflict(message, code="volume_shrinks", parameters={"size_gib": before})
    if size_gib == before:
        return volume
    await purchase.add(session, service, METER, size_gib - before)
    volume.size_bytes = size_gib * GIB
    await usage.follow(session, service)
    await record_about(
        session,
        service,
        Action.SERVICE_VOLUME_GROWN,
        before={"size_gib": before},
        after={"name": volume.name, "size_gib": size_gib},
    )
    return volume


async def ask_removal(session: AsyncSession, service: Service, volume_id: UUID, name: str) -> Volume:
    """It is deleted with its data, once no release has it any more. `name` proves that it is meant."""
    volume = await _of(session, service, volume_id)
    if name != volume.name:
        message = "Type the volume's name to delete it and all its data."
        raise invalid_field(["query", "name"], message, "name_differs")
    if volume.removal_requested_at is None:
        volume.removal_requested_at = now()
        await VolumeDAO(session).flush()
        after = {"name": volume.name, "path": volume.path}
        await record_about(session, service, Action.SERVICE_VOLUME_REMOVAL_ASKED, after=after)
    return volume


async def keep(session: AsyncSession, service: Service, volume_id: UUID) -> Volume:
    """Take a removal back that has not begun."""
    volume = await _of(session, service, volume_id)
    if volume.removal_began_at is not None:
        raise Conflict("The volume is being deleted already.", code="volume_leaving")
    if volume.removal_requested_at is not None:
        if await VolumeDAO(session).web_replicas(service.id) > 1:
            raise _one_replica()
        volume.removal_requested_at = None
        await VolumeDAO(session).flush()
        await record_about(session, service, Action.SERVICE_VOLUME_KEPT, after={"name": volume.name})
    return volume


def _one_replica() -> Conflict:
    message = "A service with a volume runs one unit of web: two that write to its files would harm them."
    return Conflict(message, code="volume_one_replica")


def _check_size(settings: Settings, size_gib: int) -> None:
    if size_gib > settings.volume_most_gib:
        raise invalid_field(
            ["body", "size_gib"],
            f"A volume may have at most {settings.volume_most_gib} GiB.",
            "volume_too_large",
            {"most": settings.volume_most_gib},
        )


def _refuse_leaving(volume: Volume) -> None:
    if volume.removal_requested_at is not None:
        raise Conflict("The volume is about to be deleted.", code="volume_leaving")


async def _of(session: AsyncSession, service: Service, volume_id: UUID) -> Volume:
    volume = await VolumeDAO(session).get_locked(volume_id)
    if volume is None or volume.service_id != service.id:
        raise NotFound("The service has no such volume.")
    return volume
