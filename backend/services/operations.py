"""Stopping, starting, restarting and deleting a service: the work behind the jobs of these names."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from loguru import logger

from backend.backups.dao import BackupDAO, PlanDAO
from backend.billing.metering import events as usage
from backend.billing.prices import purchase
from backend.config import Settings
from backend.cronjobs.dao import CronJobDAO, CronRunDAO
from backend.database import Database, now
from backend.domains import claiming as domains
from backend.engines.base import CheckSpec, Engine, EngineError, HealthKind, Reason
from backend.hooks.dao import PushHookDAO
from backend.jobs.runner import Claimed, JobError
from backend.ports.dao import PortDAO
from backend.previews.dao import PreviewSettingsDAO
from backend.processes.truth import addresses_of
from backend.services.dao import DeploymentDAO, ServiceDAO, VariableDAO
from backend.services.environment import Redactor, open_snapshot
from backend.services.failures import reason_of, told
from backend.services.models import Desired, Service, ServiceStatus
from backend.services.reasons import SUSPENDED
from backend.services.routing import Edge
from backend.sources import credentials
from backend.statuses.dao import StatusSettingsDAO
from backend.volumes import files, mounting

T = TypeVar("T")
NOTHING_SECRET = Redactor(())


async def _no_report(_: str) -> None:
    """These operations have no log of their own; the job's step and error say what happened."""


class Operations:
    def __init__(self, settings: Settings, database: Database, engine: Engine, edge: Edge) -> None:
        self._settings = settings
        self._database = database
        self._engine = engine
        self._edge = edge

    async def stop(self, job: Claimed) -> None:
        service = await self._change(job, desired=Desired.STOPPED, routed_deployment_id=None)
        await self._publish()
        if service.live_deployment_id is not None:
            await self._engine_call(self._engine.stop(str(service.live_deployment_id)))
        await self._become(job, ServiceStatus.STOPPED if service.live_deployment_id else None)

    async def suspend(self, job: Claimed) -> None:
        """As `stop`, but what its customer wants stays written, for when it is paid for."""
        service = await self._read(job)
        if service.suspended_at is None:
            return
        await self._change(job, routed_deployment_id=None)
        await self._publish()
        if service.live_deployment_id is not None:
            await self._engine_call(self._engine.stop(str(service.live_deployment_id)))
            await self._become(job, ServiceStatus.STOPPED, SUSPENDED)

    async def start(self, job: Claimed) -> None:
        """Also the way back from a crash. The release that was live last starts again, unchanged."""
        service = await self._read(job)
        if service.live_deployment_id is None:
            raise JobError("never_live", "No release of this service was ever live: deploy it first.")
        await job.progress("starting", 30)
        # Away from its port first: while the app is down, another may take it.
        await self._change(job, routed_deployment_id=None)
        await self._publish()
        live_id = str(service.live_deployment_id)
        await self._engine_call(self._engine.restart(live_id))
        async with job.transaction(step="checking", progress=60) as session:
            deployment = await DeploymentDAO(session).get_locked(service.live_deployment_id)
            assert deployment is not None
        check = CheckSpec(
            deployment_id=str(deployment.id),
            service_id=str(service.id),
            health_path=deployment.health_path,
            health=HealthKind(deployment.health_kind),
            health_command=deployment.health_command or "",
            port=deployment.port,
        )
        timeout = float(deployment.health_timeout_seconds or self._settings.health_timeout_seconds)
        redact = Redactor(open_snapshot(deployment.id, deployment.environment).values())
        await self._engine_call(self._engine.wait_healthy(check, _no_report, timeout=timeout), redact)
        units = await self._engine_call(self._engine.release_units(live_id))
        async with job.transaction() as session:
            row = await DeploymentDAO(session).get_locked(deployment.id)
            assert row is not None
            row.addresses = addresses_of(units)
            row.address = next(iter(row.addresses), None)
        await self._become(
            job,
            ServiceStatus.RUNNING,
            desired=Desired.RUNNING,
            routed_deployment_id=service.live_deployment_id,
        )
        await self._publish()

    async def delete(self, job: Claimed) -> None:
        """Route first, then processes and files, then secrets and logs; the name is free at the end."""
        service = await self._change(job, routed_deployment_id=None, desired=Desired.DELETED)
        await self._publish()
        await job.progress("removing", 50)
        async with self._database.transaction() as session:
            runs = await CronRunDAO(session).open_of_service(service.id)
        for run in runs:
            await self._engine_call(self._engine.stop_task(str(run.id)))
        await self._engine_call(self._engine.remove_service(str(service.id)))
        await self._engine_call(mounting.remove_all(self._database, self._engine, service.id))
        async with job.transaction() as session:
            await VariableDAO(session).remove_all(service.id)
            await credentials.forget(session, service.id)
            await CronJobDAO(session).forget(service.id)
            await PlanDAO(session).forget(service.id)
            kept_days = timedelta(days=self._settings.backup_kept_after_deletion_days)
            await BackupDAO(session).expire(service.id, now() + kept_days)
            await PushHookDAO(session).forget(service.id)
            await PreviewSettingsDAO(session).forget(service.id)
            await StatusSettingsDAO(session).forget(service.id)
            await domains.give_up_all(session, service.id)
            await files.forget(session, service.id)
            await PortDAO(session).forget(service.id)
            await DeploymentDAO(session).forget(service.id)
            row = await ServiceDAO(session).get_locked(service.id)
            assert row is not None
            await purchase.ended(session, row)
            row.deleted_at, row.live_deployment_id = now(), None

    async def start_failed(self, job: Claimed, error: JobError) -> bool:
        if error.code != "never_live":
            await self._become(job, ServiceStatus.CRASHED, reason_of(error))
        return True

    async def stop_failed(self, job: Claimed, error: JobError) -> bool:
        """The reconciler stops it yet: what is desired is written."""
        logger.warning("{} failed: {}", job.kind, error.message)
        return True

    async def _read(self, job: Claimed) -> Service:
        async with self._database.transaction() as session:
            assert job.service_id is not None
            service = await ServiceDAO(session).get(job.service_id)
            assert service is not None
            return service

    async def _change(self, job: Claimed, **values: str | UUID | None) -> Service:
        async with job.transaction() as session:
            assert job.service_id is not None
            service = await ServiceDAO(session).get_locked(job.service_id)
            assert service is not None
            for name, value in values.items():
                setattr(service, name, value)
            await usage.follow(session, service, job_id=job.id)
        return service

    async def _become(
        self,
        job: Claimed,
        status: ServiceStatus | None,
        reason: Reason | None = None,
        **values: str | UUID | None,
    ) -> None:
        """Change it together with its state; without a `status` only the reason of the present one."""
        async with job.transaction() as session:
            assert job.service_id is not None
            service = await ServiceDAO(session).get_locked(job.service_id)
            assert service is not None
            service.becomes(status or ServiceStatus(service.status), reason)
            for name, value in values.items():
                setattr(service, name, value)
            await usage.follow(session, service, job_id=job.id)

    async def _publish(self) -> None:
        try:
            await self._edge.publish()
        except TimeoutError:
            message = "The edge did not take over the new route in time."
            raise JobError("edge_unavailable", message, retry=True) from None

    @staticmethod
    async def _engine_call(call: Awaitable[T], redact: Redactor = NOTHING_SECRET) -> T:
        try:
            return await call
        except EngineError as error:
            raise told(error, redact) from None
