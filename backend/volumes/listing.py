"""Volumes and secret files as the API shows them."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.prices import versions
from backend.config import Settings
from backend.engines.base import Engine
from backend.services.models import Service
from backend.volumes import files
from backend.volumes.dao import FileDAO, MountDAO, VolumeDAO
from backend.volumes.keeping import ABILITY
from backend.volumes.models import GIB, ServiceFile, Volume

ADDON = "volume"


async def volumes(
    session: AsyncSession, settings: Settings, engine: Engine, service: Service
) -> dict[str, Any]:
    found = await VolumeDAO(session).of(service.id)
    live = service.live_deployment_id
    mounted = {mount.volume_id for mount in await MountDAO(session).of(live)} if live else set()
    return {
        "items": [shape(volume, mounted=volume.id in mounted) for volume in found],
        "supported": ABILITY in engine.abilities,
        "most": settings.volumes_per_service,
        "most_gib": settings.volume_most_gib,
        "price": await _price(session, settings, service),
    }


async def one(session: AsyncSession, service: Service, volume: Volume) -> dict[str, Any]:
    live = service.live_deployment_id
    mounts = await MountDAO(session).of(live) if live else ()
    return shape(volume, mounted=any(mount.volume_id == volume.id for mount in mounts))


def shape(volume: Volume, *, mounted: bool) -> dict[str, Any]:
    return {
        "id": volume.id,
        "name": volume.name,
        "path": volume.path,
        "size_gib": volume.size_bytes // GIB,
        "grown": volume.made_bytes == 0 or volume.made_bytes >= volume.size_bytes,
        "bounded": volume.bounded,
        "used_bytes": volume.used_bytes,
        "capacity_bytes": volume.capacity_bytes,
        "measured_at": volume.measured_at,
        "mounted": mounted,
        "removal_requested_at": volume.removal_requested_at,
        "created_at": volume.created_at,
    }


async def secret_files(session: AsyncSession, service: Service) -> dict[str, Any]:
    return {"items": [shape_file(file) for file in await FileDAO(session).of(service.id)], "most": files.MOST}


def shape_file(file: ServiceFile) -> dict[str, Any]:
    return {"id": file.id, "path": file.path, "size_bytes": file.size_bytes, "updated_at": file.updated_at}


async def _price(session: AsyncSession, settings: Settings, service: Service) -> dict[str, Any] | None:
    """Of a GiB, in the currency that the service pays in."""
    if not settings.billing_enabled or service.price_id is None:
        return None
    paid = await versions.get(session, service.price_id)
    offered = await versions.offered_addon(session, ADDON, paid.currency) if paid else None
    return {"month_minor": offered.month_minor, "currency": offered.currency} if offered else None
