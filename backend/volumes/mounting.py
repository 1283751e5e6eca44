"""Giving a release its volumes and secret files, with at most one release that writes at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.database import Database
from backend.engines.base import ALIVE, Engine, Reason, ReleaseSpec, VolumeMount, VolumeSpec
from backend.jobs.runner import Claimed
from backend.services.dao import ServiceDAO
from backend.services.models import ServiceStatus
from backend.volumes import files
from backend.volumes.dao import MountDAO, VolumeDAO
from backend.volumes.models import Volume

CHANGING_OVER = Reason(
    "changing_over", "The old release has stopped, and the new one starts: a volume has one writer at a time."
)


async def equip(
    job: Claimed,
    engine: Engine,
    release: ReleaseSpec,
    stop_first: Callable[[], Awaitable[None]],
) -> ReleaseSpec:
    """The release with its files and volumes, which are there now. Before volumes, `stop_first` ends what has
    them. It may be called again after a crash.
    """
    deployment_id = UUID(release.deployment_id)
    async with job.transaction() as session:
        volumes = await VolumeDAO(session).to_mount(UUID(release.service_id))
        await MountDAO(session).replace(deployment_id, volumes)
        found = await files.of_release(session, deployment_id)
    if volumes:
        await stop_first()
    mounts = [await _made(job, engine, volume) for volume in volumes]
    return replace(release, volumes=tuple(mounts), files=found)


def spec_of(volume: Volume) -> VolumeSpec:
    ids = str(volume.id), str(volume.service_id), str(volume.project_id)
    return VolumeSpec(*ids, volume.size_bytes, made=volume.node is not None)


async def _made(job: Claimed, engine: Engine, volume: Volume) -> VolumeMount:
    made = await engine.ensure_volume(spec_of(volume))
    async with job.transaction() as session:
        row = await VolumeDAO(session).get_locked(volume.id)
        assert row is not None
        row.node, row.bounded = made.node, made.bounded
        if made.grown:
            row.made_bytes = max(row.made_bytes, volume.size_bytes)
    return VolumeMount(str(volume.id), volume.path, made.node)


async def stop_old(
    job: Claimed, engine: Engine, service_id: UUID, unroute: Callable[[], Awaitable[None]]
) -> None:
    """End the release that serves, and say so: until the new one answers, nobody does."""
    async with job.transaction() as session:
        service = await ServiceDAO(session).get_locked(service_id)
        assert service is not None
        live = service.live_deployment_id
        if live is None:
            return
        service.routed_deployment_id = None
        if service.status == ServiceStatus.RUNNING:
            service.becomes(ServiceStatus.STOPPED, CHANGING_OVER)
    await unroute()
    await engine.stop(str(live))


async def bring_back(database: Database, engine: Engine, service_id: UUID, failed_id: UUID) -> None:
    """The old release serves again after a new one, for which it had to stop, did not come up. The reconciler
    says so, once it has seen it.
    """
    async with database.transaction() as session:
        service = await ServiceDAO(session).get(service_id)
        had_volumes = bool(await MountDAO(session).of(failed_id))
    if not had_volumes or service is None or service.live_deployment_id is None or not service.should_run:
        return
    live = str(service.live_deployment_id)
    unit = await engine.inspect(live)
    if unit is not None and unit.state not in ALIVE:
        logger.info("service {}: the release before is started again", service.name)
        await engine.restart(live)


async def of_release(session: AsyncSession, release: ReleaseSpec) -> ReleaseSpec:
    """A release that runs already, with what it was started with."""
    deployment_id = UUID(release.deployment_id)
    mounts = []
    for mounted in await MountDAO(session).of(deployment_id):
        volume = await VolumeDAO(session).get(mounted.volume_id)
        if volume is not None:
            mounts.append(VolumeMount(str(volume.id), mounted.path, volume.node or ""))
    found = await files.of_release(session, deployment_id)
    return replace(release, volumes=tuple(mounts), files=found)


async def remove_all(database: Database, engine: Engine, service_id: UUID) -> None:
    """With the service, whose releases are gone already."""
    async with database.transaction() as session:
        volumes = await VolumeDAO(session).of(service_id)
    for volume in volumes:
        await engine.remove_volume(str(volume.id))
        async with database.transaction() as session:
            await VolumeDAO(session).delete(volume.id)
