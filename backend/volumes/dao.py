"""Statements over volumes, secret files, and what releases had of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, exists, insert, or_, select, update

from backend.dao.base import BaseDAO
from backend.jobs.models import Job, JobState
from backend.services.models import Deployment, Service, ServiceProcess
from backend.volumes.models import DeploymentFiles, DeploymentVolume, ServiceFile, Volume


class VolumeDAO(BaseDAO[Volume]):
    model = Volume

    async def of(self, service_id: UUID) -> Sequence[Volume]:
        return await self.all(select(Volume).where(Volume.service_id == service_id).order_by(Volume.name))

    async def to_mount(self, service_id: UUID) -> Sequence[Volume]:
        """Those that a new release gets."""
        statement = select(Volume).where(
            Volume.service_id == service_id, Volume.removal_requested_at.is_(None)
        )
        return await self.all(statement.order_by(Volume.path))

    async def made(self) -> Sequence[Volume]:
        """All that an engine has."""
        return await self.all(select(Volume).where(Volume.made_bytes > 0).order_by(Volume.id))

    async def to_grow(self) -> Sequence[Volume]:
        return await self.all(
            select(Volume).where(
                Volume.made_bytes > 0,
                Volume.made_bytes < Volume.size_bytes,
                Volume.removal_requested_at.is_(None),
            )
        )

    async def to_remove(self) -> Sequence[UUID]:
        """Services with volumes that shall go."""
        statement = select(Volume.service_id).where(Volume.removal_requested_at.is_not(None)).distinct()
        return [row.service_id for row in await self.rows(statement)]

    async def removable(self, service: Service) -> Sequence[Volume]:
        """Those that neither the live release has nor one on its way, of a service whose row is locked."""
        deploying = exists().where(
            Job.service_id == service.id, Job.state.in_((JobState.RUNNING, JobState.QUEUED))
        )
        mounted = exists().where(
            DeploymentVolume.volume_id == Volume.id,
            DeploymentVolume.deployment_id == service.live_deployment_id,
        )
        statement = select(Volume).where(
            Volume.service_id == service.id,
            or_(
                Volume.removal_began_at.is_not(None),
                and_(Volume.removal_requested_at.is_not(None), ~deploying, ~mounted),
            ),
        )
        return await self.all(statement.with_for_update())

    async def note_usage(self, volume_id: UUID, used: int, capacity: int, at: datetime) -> None:
        """Past the moment of its last change, which this is none of."""
        await self.execute(
            update(Volume)
            .where(Volume.id == volume_id)
            .values(used_bytes=used, capacity_bytes=capacity, measured_at=at, updated_at=Volume.updated_at)
        )

    async def note_told(self, volume_id: UUID, at: datetime | None) -> None:
        """Past the moment of its last change too."""
        await self.execute(
            update(Volume).where(Volume.id == volume_id).values(told_full_at=at, updated_at=Volume.updated_at)
        )

    async def web_replicas(self, service_id: UUID) -> int:
        statement = select(ServiceProcess.replicas).where(
            ServiceProcess.service_id == service_id, ServiceProcess.name == "web"
        )
        found = await self.scalar(statement)
        return 1 if found is None else int(found)


class MountDAO(BaseDAO[DeploymentVolume]):
    model = DeploymentVolume

    async def of(self, deployment_id: UUID) -> Sequence[DeploymentVolume]:
        statement = select(DeploymentVolume).where(DeploymentVolume.deployment_id == deployment_id)
        return await self.all(statement.order_by(DeploymentVolume.path))

    async def replace(self, deployment_id: UUID, mounted: Sequence[Volume]) -> None:
        await self.execute(delete(DeploymentVolume).where(DeploymentVolume.deployment_id == deployment_id))
        rows = [
            {"deployment_id": deployment_id, "volume_id": volume.id, "path": volume.path}
            for volume in mounted
        ]
        if rows:
            await self.execute(insert(DeploymentVolume), rows)


class FileDAO(BaseDAO[ServiceFile]):
    model = ServiceFile

    async def of(self, service_id: UUID) -> Sequence[ServiceFile]:
        statement = select(ServiceFile).where(ServiceFile.service_id == service_id)
        return await self.all(statement.order_by(ServiceFile.path))

    async def forget(self, service_id: UUID) -> None:
        await self.execute(delete(ServiceFile).where(ServiceFile.service_id == service_id))


class SnapshotDAO(BaseDAO[DeploymentFiles]):
    model = DeploymentFiles

    async def forget(self, service_id: UUID) -> None:
        ids = select(Deployment.id).where(Deployment.service_id == service_id)
        await self.execute(delete(DeploymentFiles).where(DeploymentFiles.deployment_id.in_(ids)))
