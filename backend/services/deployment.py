"""Bringing a release live: fetching → building → releasing → checking → live, and the truth about it.

Every step may be cut off by `kill -9` and is then run again over the same ids. `live` is written only
after the new release answered through the edge; until then the old one keeps serving, and whatever
goes wrong, it serves on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from loguru import logger

from backend.billing.metering import events as usage
from backend.billing.prices import purchase
from backend.catalogue.models import Plan
from backend.config import Settings
from backend.database import Database, now
from backend.engines.base import (
    Access,
    BuildSpec,
    Engine,
    EngineError,
    FetchSpec,
    Limits,
    Reason,
    ReleaseSpec,
    Retry,
)
from backend.engines.health import fit
from backend.jobs.models import Job
from backend.jobs.runner import Cancelled, Claimed, JobError
from backend.services.dao import DeploymentDAO, ServiceDAO
from backend.services.deploylog import CHANNEL, DeployLog
from backend.services.environment import Redactor, open_snapshot
from backend.services.failures import reason_of, told
from backend.services.models import SERVED, Deployment, DeploymentState, Desired, Service, ServiceStatus
from backend.services.reasons import CANCELLED, SUSPENDED
from backend.services.retention import let_go, note_missing
from backend.services.routing import Edge
from backend.sources import credentials

PROGRESS = {
    DeploymentState.FETCHING: 10,
    DeploymentState.BUILDING: 30,
    DeploymentState.RELEASING: 65,
    DeploymentState.CHECKING: 80,
}
RELEASE_MISSING = "release_missing"
"""The engine's word for a build whose files are gone."""
DRAIN_SECONDS = 1.0
"""How long requests that the edge sent to the old release may take to end before it is stopped."""


@dataclass(slots=True)
class Snapshot:
    """What one deployment works from, read once."""

    deployment: Deployment
    service: Service
    limits: Limits
    environment: dict[str, str]
    access: Access | None
    """To its repository, as the service has it now: a token that was replaced is of no use any more."""
    restored: Deployment | None
    """Of a rollback: the kept release that it brings back."""

    def secrets(self) -> tuple[str, ...]:
        return (self.access.token, self.access.private_key) if self.access else ()

    def release(self, command: str) -> ReleaseSpec:
        return ReleaseSpec(
            deployment_id=str(self.deployment.id),
            service_id=str(self.service.id),
            project_id=str(self.service.project_id),
            service_name=self.service.name,
            build_id=str(self.deployment.build_id),
            command=command,
            limits=self.limits,
            env=self.environment,
            health_path=self.deployment.health_path,
        )


class Deploy:
    """The job kinds `service.deploy` and `service.rollback`, which needs no fetching and no building."""

    def __init__(self, settings: Settings, database: Database, engine: Engine, edge: Edge) -> None:
        self._settings = settings
        self._database = database
        self._engine = engine
        self._edge = edge

    async def work(self, job: Claimed) -> None:
        snapshot = await self._read(job)
        if snapshot.deployment.state not in SERVED:
            redact = Redactor((*snapshot.environment.values(), *snapshot.secrets()))
            async with DeployLog(self._database, snapshot.deployment.id, redact) as log:
                if job.attempts > 1:
                    await log.write("— taken up again after an interruption —")
                try:
                    await self._bring_live(job, snapshot, log)
                except EngineError as error:
                    failure = told(error, redact)
                    await log.write(failure.message)
                    raise failure from None
        await self._retire(job, snapshot)

    async def fail(self, job: Claimed, error: JobError) -> bool:
        return await self._give_up(job, DeploymentState.FAILED, reason_of(error))

    async def cancel(self, job: Claimed) -> bool:
        return await self._give_up(job, DeploymentState.CANCELLED, CANCELLED)

    async def _bring_live(self, job: Claimed, snapshot: Snapshot, log: DeployLog) -> None:
        deployment, engine = snapshot.deployment, self._engine
        command = deployment.command
        if command is None or await engine.inspect(str(deployment.id)) is None:
            if snapshot.service.routed_deployment_id == deployment.id:
                # An earlier attempt led visitors here; what is made anew must not be seen being made.
                await self._route(job, snapshot.service.id, snapshot.service.live_deployment_id)
            if snapshot.restored is None:
                await self._fetch(job, snapshot, log)
                command = await self._build(job, snapshot, log)
            else:
                commit = (deployment.commit or "")[:10]
                which = f"release #{snapshot.restored.number}, commit {commit}"
                await log.write(f"Bringing back {which}: its build and its variables as they were")
        assert command is not None
        await self._enter(job, deployment, DeploymentState.RELEASING)
        release = snapshot.release(command)
        unit = await engine.start(release, log.write)
        await self._record(job, deployment, address=unit.address, engine=engine.name)
        await self._enter(job, deployment, DeploymentState.CHECKING)
        await engine.wait_healthy(release, log.write, timeout=self._settings.health_timeout_seconds)
        await self._switch(job, snapshot, unit.address, log)

    async def _fetch(self, job: Claimed, snapshot: Snapshot, log: DeployLog) -> None:
        deployment = snapshot.deployment
        await self._enter(job, deployment, DeploymentState.FETCHING)
        fetched = await self._engine.fetch(
            FetchSpec(
                deployment_id=str(deployment.id),
                service_id=str(snapshot.service.id),
                url=deployment.repo_url,
                ref=deployment.ref,
                commit=deployment.commit,
                root=deployment.root,
                access=snapshot.access,
            ),
            log.write,
        )
        if fetched.host_key is not None:
            async with job.transaction() as session:
                service = await ServiceDAO(session).get_locked(snapshot.service.id)
                assert service is not None
                await credentials.pin_host_key(session, service, deployment.repo_url, fetched.host_key)
        await self._record(job, deployment, commit=fetched.commit, commit_subject=fetched.subject)

    async def _build(self, job: Claimed, snapshot: Snapshot, log: DeployLog) -> str:
        deployment = snapshot.deployment
        await self._enter(job, deployment, DeploymentState.BUILDING)
        built = await self._engine.build(
            BuildSpec(
                deployment_id=str(deployment.id),
                service_id=str(snapshot.service.id),
                project_id=str(snapshot.service.project_id),
                limits=snapshot.limits,
            ),
            log.write,
        )
        # What is recorded now is not done again, so its lines would not come again either.
        await log.flush()
        await self._record(
            job, deployment, build_kind=built.kind, command=built.command, size_bytes=built.size_bytes
        )
        return built.command

    async def _record(self, job: Claimed, deployment: Deployment, **facts: str | int) -> None:
        async with job.transaction() as session:
            row = await DeploymentDAO(session).get_locked(deployment.id)
            assert row is not None
            for name, value in facts.items():
                setattr(row, name, value)

    async def _switch(self, job: Claimed, snapshot: Snapshot, address: str, log: DeployLog) -> None:
        """Lead the edge to the new release, see it answer there, and only then call it live."""
        deployment, service = snapshot.deployment, snapshot.service
        await self._route(job, service.id, deployment.id)
        status = await self._through_edge(service.name, deployment.health_path, address)
        if status is None or not fit(deployment.health_path, status):
            raise EngineError(
                "edge_check_failed",
                f"The release is healthy, but its address answered {status or 'nothing'} through the edge.",
                retry=Retry.BACKOFF,
            ).about({"because": "answers_status", "status": status} if status else {})
        await log.write(f"Answers {status} at {self._settings.app_url(service.name)}")
        async with job.transaction(progress=100, step=DeploymentState.LIVE) as session:
            # Under the job's row lock a cancellation either came before, or comes too late.
            held = await session.get(Job, job.id, populate_existing=True)
            if held is not None and held.cancel_requested_at is not None:
                raise Cancelled
            services, deployments = ServiceDAO(session), DeploymentDAO(session)
            row = await deployments.get_locked(deployment.id)
            kept = await services.get_locked(service.id)
            assert row is not None
            assert kept is not None
            _leave_step(row)
            row.state, row.finished_at = DeploymentState.LIVE, now()
            if snapshot.restored is None:
                row.build_kept = True
            elif kept.live_deployment_id is not None:
                await self._mark_left(deployments, kept.live_deployment_id, snapshot.restored)
            await purchase.went_live(session, kept, row.plan_id, row.finished_at)
            kept.live_deployment_id = kept.routed_deployment_id = row.id
            kept.becomes(ServiceStatus.RUNNING)
            kept.desired = Desired.RUNNING
            await purchase.settle(session, kept)
            await usage.follow(session, kept, deployment_id=row.id, job_id=job.id)
            await services.flush()
            # With the state, so that whoever sees it final has seen the last line too.
            await log.write("Live.")
            await log.flush(session)
            await services.notify(CHANNEL, str(row.id))

    @staticmethod
    async def _mark_left(deployments: DeploymentDAO, left_id: UUID, restored: Deployment) -> None:
        """The release that a rollback leaves says so; it stays as fit for a rollback as any other."""
        left = await deployments.get_locked(left_id)
        assert left is not None
        left.state, left.reason_code = DeploymentState.ROLLED_BACK, DeploymentState.ROLLED_BACK
        left.reason = f"It was rolled back to release #{restored.number}."
        left.reason_parameters = {"number": restored.number}
        await deployments.notify(CHANNEL, str(left.id))

    async def _through_edge(self, name: str, path: str, address: str) -> int | None:
        status = None
        for pause in (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6):
            await asyncio.sleep(pause)
            status = await self._edge.ask(name, path, address)
            if status is not None and fit(path, status):
                return status
        return status

    async def _route(self, job: Claimed, service_id: UUID, deployment_id: UUID | None) -> None:
        async with job.transaction() as session:
            service = await ServiceDAO(session).get_locked(service_id)
            assert service is not None
            service.routed_deployment_id = deployment_id
        try:
            await self._edge.publish()
        except TimeoutError:
            message = "The edge did not take over the new route in time."
            raise EngineError("edge_unavailable", message, retry=Retry.BACKOFF) from None

    async def _retire(self, job: Claimed, snapshot: Snapshot) -> None:
        """Stop what the new release replaced, and delete all but the builds that are kept."""
        async with job.transaction() as session:
            await let_go(session, snapshot.service.id, self._settings.deployments_kept)
            served = await DeploymentDAO(session).served(snapshot.service.id)
        await asyncio.sleep(DRAIN_SECONDS if len(served) > 1 else 0)
        for release in served:
            if release.id == snapshot.deployment.id:
                continue
            if release.build_kept or release.id == snapshot.deployment.build_id:
                await self._engine.stop(str(release.id))
            else:
                await self._engine.remove(str(release.id))

    async def _give_up(self, job: Claimed, state: DeploymentState, reason: Reason) -> bool:
        """The old release serves on; of the new one nothing stays but its log. False if it is live."""
        assert job.deployment_id is not None
        assert job.service_id is not None
        async with job.transaction() as session:
            deployments, services = DeploymentDAO(session), ServiceDAO(session)
            row = await deployments.get_locked(job.deployment_id)
            service = await services.get_locked(job.service_id)
            if row is None or service is None:
                return True
            if row.state in SERVED:
                logger.warning("deployment {} is live all the same: {}", row.id, reason.message)
                return False
            if service.suspended_at is not None and state is DeploymentState.CANCELLED:
                reason = SUSPENDED
            _leave_step(row)
            row.state, row.finished_at = state, now()
            row.reason_code, row.reason = reason.code, reason.message[:2000]
            row.reason_parameters = reason.parameters or None
            service.routed_deployment_id = None if service.should_stand_still else service.live_deployment_id
            if service.live_deployment_id is None and service.status != ServiceStatus.DELETING:
                failed = state is DeploymentState.FAILED
                service.becomes(ServiceStatus.FAILED if failed else ServiceStatus.PENDING, reason)
            await purchase.settle(session, service)
            await services.flush()
            await deployments.notify(CHANNEL, str(row.id))
        try:
            await self._edge.publish()
            if reason.code == RELEASE_MISSING:
                await note_missing(self._database, self._engine, row.build_id)
            await self._engine.remove(str(job.deployment_id))
        except (EngineError, TimeoutError) as error:
            logger.warning("left to the reconciler: {}", error)
        return True

    async def _read(self, job: Claimed) -> Snapshot:
        assert job.deployment_id is not None
        assert job.service_id is not None
        async with self._database.transaction() as session:
            deployment = await DeploymentDAO(session).get(job.deployment_id)
            service = await ServiceDAO(session).get(job.service_id)
            assert deployment is not None
            assert service is not None
            plan = await session.get(Plan, deployment.plan_id)
            assert plan is not None
            restored = (
                await session.get(Deployment, deployment.restores_id) if deployment.restores_id else None
            )
            access = await credentials.access_to(session, service, deployment.repo_url)
        limits = Limits(plan.memory_bytes, plan.disk_bytes, plan.cpu_millis, plan.pids)
        environment = open_snapshot(deployment.id, deployment.environment)
        return Snapshot(deployment, service, limits, environment, access, restored)

    async def _enter(self, job: Claimed, deployment: Deployment, state: DeploymentState) -> None:
        async with job.transaction(step=state, progress=PROGRESS[state]) as session:
            row = await DeploymentDAO(session).get_locked(deployment.id)
            assert row is not None
            moment = now()
            _leave_step(row)
            steps = [step for step in row.steps if step["name"] != state]
            row.steps = [*steps, {"name": state, "started_at": moment.isoformat(), "finished_at": None}]
            row.state = state
            row.started_at = row.started_at or moment
            await DeploymentDAO(session).notify(CHANNEL, str(row.id))


def _leave_step(row: Deployment) -> None:
    moment = now().isoformat()
    row.steps = [{**step, "finished_at": step["finished_at"] or moment} for step in row.steps]
