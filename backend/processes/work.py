"""Giving a release that serves more units or less: the work behind the job `service.scale`.

Nothing is built. Visitors are led away from what goes before it is ended, and to what comes once it is well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.metering import events as usage
from backend.billing.prices import purchase
from backend.config import Settings
from backend.database import Database
from backend.engines.base import Engine, EngineError, ReleaseSpec, Unit
from backend.engines.scale import unit_names
from backend.jobs.dao import JobDAO
from backend.jobs.runner import Claimed, JobError
from backend.processes import wanted
from backend.processes.truth import addresses_of
from backend.services.dao import DeploymentDAO, ServiceDAO
from backend.services.environment import Redactor
from backend.services.failures import told
from backend.services.models import Deployment, Service
from backend.services.releasespec import release_of
from backend.services.routing import Edge

DRAIN_SECONDS = 1.0
"""How long requests may take to end that the edge sent to a unit which goes."""


async def _no_report(_: str) -> None:
    """Scaling has no log of its own; the job's step and error say what happened."""


class Scaling:
    def __init__(self, settings: Settings, database: Database, engine: Engine, edge: Edge) -> None:
        self._settings, self._database, self._engine, self._edge = settings, database, engine, edge

    async def work(self, job: Claimed) -> None:
        found = await self._read(job)
        if found is None:
            # It was stopped meanwhile; when it starts, the reconciler sees what is missing.
            return
        deployment, release = found
        redact = Redactor(release.env.values())
        try:
            await self._scale(job, deployment, release)
        except EngineError as error:
            raise told(error, redact) from None

    async def _scale(self, job: Claimed, deployment: Deployment, release: ReleaseSpec) -> None:
        names = unit_names(release.processes)
        units = await self._engine.release_units(release.deployment_id)
        staying = [unit for unit in units if (unit.process, unit.replica) in names]
        await job.progress("releasing", 20)
        if len(staying) < len(units):
            await self._lead_to(job, deployment.id, addresses_of(staying))
            await asyncio.sleep(DRAIN_SECONDS)
        await self._engine.scale(release, _no_report)
        await job.progress("checking", 60)
        timeout = float(deployment.health_timeout_seconds or self._settings.health_timeout_seconds)
        await self._engine.wait_healthy(release, _no_report, timeout=timeout)
        units = await self._engine.release_units(release.deployment_id)
        async with job.transaction(progress=100, step="live") as session:
            row = await DeploymentDAO(session).get_locked(deployment.id)
            assert row is not None
            row.scale = wanted.scale_of(release.processes)
            known = wanted.commands_of(row)
            added = {one.name: one.command for one in release.processes if one.name not in known}
            row.commands = {**row.commands, **{name: words for name, words in added.items() if words}}
            _note(row, addresses_of(units))
        await self._publish()

    async def _lead_to(self, job: Claimed, deployment_id: UUID, addresses: Sequence[str]) -> None:
        async with job.transaction() as session:
            row = await DeploymentDAO(session).get_locked(deployment_id)
            assert row is not None
            _note(row, addresses)
        await self._publish()

    async def fail(self, job: Claimed, error: JobError) -> bool:
        """What was there before stays, and is what the service shall run from now on; unless another wish
        came meanwhile, which has a job of its own.
        """
        assert job.service_id is not None
        async with job.transaction() as session:
            waiting = await JobDAO(session).open_of(job.service_id)
            if any(one.kind == job.kind and one.id != job.id for one in waiting):
                return True
            service = await ServiceDAO(session).get_locked(job.service_id)
            assert service is not None
            release = await self._as_before(session, service)
            await usage.follow(session, service, job_id=job.id)
            await purchase.settle(session, service)
        if release is not None:
            try:
                await self._engine.scale(release, _no_report)
                await self._settle(job, release)
            except (EngineError, TimeoutError, JobError) as trouble:
                logger.warning("left to the reconciler: {}", trouble)
        return True

    @staticmethod
    async def _as_before(session: AsyncSession, service: Service) -> ReleaseSpec | None:
        if service.live_deployment_id is None:
            return None
        deployment = await DeploymentDAO(session).get(service.live_deployment_id)
        if deployment is None or deployment.scale is None:
            return None
        await wanted.note_scale(session, service.id, deployment.scale)
        return await release_of(session, deployment.id)

    async def _settle(self, job: Claimed, release: ReleaseSpec) -> None:
        units: list[Unit] = await self._engine.release_units(release.deployment_id)
        await self._lead_to(job, UUID(release.deployment_id), addresses_of(units))

    async def _read(self, job: Claimed) -> tuple[Deployment, ReleaseSpec] | None:
        assert job.service_id is not None
        async with self._database.transaction() as session:
            service = await ServiceDAO(session).get(job.service_id)
            if service is None or service.live_deployment_id is None or not service.should_run:
                return None
            deployment = await DeploymentDAO(session).get(service.live_deployment_id)
            release = await release_of(session, service.live_deployment_id)
        return (deployment, release) if deployment is not None and release is not None else None

    async def _publish(self) -> None:
        try:
            await self._edge.publish()
        except TimeoutError:
            message = "The edge did not take over the new route in time."
            raise JobError("edge_unavailable", message, retry=True) from None


def _note(row: Deployment, addresses: Sequence[str]) -> None:
    row.addresses = list(addresses)
    row.address = addresses[0] if addresses else None
