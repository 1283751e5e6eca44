"""Bringing a release live: fetching → building → releasing → checking → live, and the truth about it.

Every step may be cut off by `kill -9` and is then run again over the same ids. `live` is written only
after the new release answered through the edge; until then the old one keeps serving, and whatever
goes wrong, it serves on.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from loguru import logger

from backend.billing.metering import events as usage
from backend.billing.prices import purchase
from backend.config import Settings
from backend.database import Database, now
from backend.engines.base import Engine, EngineError, HealthKind, ProcessSpec, Reason, Retry
from backend.engines.health import fit
from backend.engines.startup import started
from backend.jobs.models import Job
from backend.jobs.runner import Cancelled, Claimed, JobError
from backend.processes import wanted
from backend.processes.truth import addresses_of
from backend.services import making, releasing
from backend.services.dao import DeploymentDAO, ServiceDAO
from backend.services.deploylog import AGAIN, DeployLog
from backend.services.environment import Redactor
from backend.services.failures import reason_of, told
from backend.services.log_dao import CHANNEL
from backend.services.models import SERVED, Deployment, DeploymentState, Desired, ServiceStatus
from backend.services.reasons import CANCELLED, SUSPENDED
from backend.services.retention import let_go, note_missing
from backend.services.routing import Edge
from backend.services.snapshot import Snapshot, read
from backend.sources import credentials
from backend.stacks import waiting
from backend.timeline.recording import FAILED, LIVE, note
from backend.volumes import mounting

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


class Deploy:
    """The job kinds `service.deploy` and `service.rollback`, which needs no fetching and no building."""

    def __init__(self, settings: Settings, database: Database, engine: Engine, edge: Edge) -> None:
        self._settings = settings
        self._database = database
        self._engine = engine
        self._edge = edge

    async def work(self, job: Claimed) -> None:
        snapshot = await read(self._database, job)
        if snapshot.deployment.state not in SERVED:
            redact = Redactor((*snapshot.environment.values(), *snapshot.secrets()))
            async with DeployLog(self._database, snapshot.deployment.id, redact) as log:
                if job.attempts > 1:
                    await log.write(AGAIN)
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
        begun = deployment.release_began_at is not None
        if command is None or (not begun and await engine.inspect(str(deployment.id)) is None):
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
        processes = await self._chosen(job, deployment)
        release = await mounting.equip(
            job, engine, snapshot.release(command, processes), lambda: self._stop_first(job, snapshot, log)
        )
        if snapshot.restored is None:
            timeout = self._settings.release_timeout_seconds
            await releasing.run(job, engine, release, log, deployment_id=deployment.id, timeout=timeout)
        if job.attempts > 1:
            # The engine tells of what it starts itself, and an earlier attempt may have ended before that.
            for line in started(release, await engine.release_units(str(deployment.id))):
                await log.write(line)
        # An earlier attempt may have started what is not wanted any more.
        await engine.scale(release, log.write)
        await self._record(job, deployment, engine=engine.name, scale=wanted.scale_of(processes))
        await self._enter(job, deployment, DeploymentState.CHECKING)
        timeout = deployment.health_timeout_seconds or self._settings.health_timeout_seconds
        await engine.wait_healthy(release, log.write, timeout=timeout)
        addresses = addresses_of(await engine.release_units(str(deployment.id)))
        await self._record(job, deployment, address=next(iter(addresses), None), addresses=addresses)
        await self._switch(job, snapshot, addresses if snapshot.service.public else [], log)

    @staticmethod
    async def _chosen(job: Claimed, deployment: Deployment) -> tuple[ProcessSpec, ...]:
        async with job.transaction() as session:
            return await wanted.chosen(session, deployment)

    async def _stop_first(self, job: Claimed, snapshot: Snapshot, log: DeployLog) -> None:
        service_id = snapshot.service.id
        if snapshot.service.live_deployment_id not in (None, snapshot.deployment.id):
            await log.write("Stopping the release before: two that write to a volume would harm its data")
            await mounting.stop_old(job, self._engine, service_id, lambda: self._route(job, service_id, None))

    async def _fetch(self, job: Claimed, snapshot: Snapshot, log: DeployLog) -> None:
        deployment = snapshot.deployment
        await self._enter(job, deployment, DeploymentState.FETCHING)
        spec = making.fetch_spec(deployment, snapshot.service.realm, snapshot.access, snapshot.archive)
        fetched = await self._engine.fetch(spec, log.write)
        if fetched.host_key is not None:
            async with job.transaction() as session:
                service = await ServiceDAO(session).get_locked(snapshot.service.id)
                assert service is not None
                await credentials.pin_host_key(session, service, deployment.repo_url, fetched.host_key)
        deployment.commit, deployment.source_digest = fetched.commit, fetched.digest
        await self._record(
            job,
            deployment,
            commit=fetched.commit,
            commit_subject=fetched.subject,
            source_digest=fetched.digest,
        )

    async def _build(self, job: Claimed, snapshot: Snapshot, log: DeployLog) -> str:
        deployment = snapshot.deployment
        await self._enter(job, deployment, DeploymentState.BUILDING)
        if (command := await self._built_before(job, snapshot, log)) is not None:
            return command
        spec = making.build_spec(
            *(deployment, snapshot.service.realm, snapshot.limits),
            *(snapshot.logins, snapshot.environment),
        )
        built = await self._engine.build(spec, log.write)
        deployment.port = deployment.port or built.port
        deployment.processes = dict(built.processes)
        # What is recorded now is not done again, so its lines would not come again either.
        await log.flush()
        await self._record(
            job,
            deployment,
            build_kind=built.kind,
            command=built.command,
            size_bytes=built.size_bytes,
            port=deployment.port,
            image_port=built.port,
            processes=dict(built.processes),
            release_command=releasing.chosen(deployment, built.processes),
        )
        return built.command

    async def _built_before(self, job: Claimed, snapshot: Snapshot, log: DeployLog) -> str | None:
        """The command of a kept build of the same source, which is then this release's too."""
        deployment = snapshot.deployment
        async with job.transaction() as session:
            await ServiceDAO(session).get_locked(snapshot.service.id)
            kept = await making.kept_build(session, deployment, self._engine.name, snapshot.limits.disk_bytes)
            if kept is None:
                return None
            row = await DeploymentDAO(session).get_locked(deployment.id)
            assert row is not None
            for name in ("build_id", "build_kind", "command", "size_bytes", "processes", "image_port"):
                setattr(row, name, getattr(kept, name))
                setattr(deployment, name, getattr(kept, name))
            # The service's own may have changed since that build.
            row.release_command = deployment.release_command = releasing.chosen(deployment, kept.processes)
            row.port = deployment.port = deployment.port or kept.image_port
        await log.write(f"Nothing new to build: the build of release #{kept.number} is the same, and runs")
        await log.flush()
        assert kept.command is not None
        return kept.command

    async def _record(self, job: Claimed, deployment: Deployment, **facts: object) -> None:
        async with job.transaction() as session:
            row = await DeploymentDAO(session).get_locked(deployment.id)
            assert row is not None
            for name, value in facts.items():
                setattr(row, name, value)

    async def _switch(self, job: Claimed, snapshot: Snapshot, addresses: list[str], log: DeployLog) -> None:
        """Lead the edge to the new release, see it answer there, and only then call it live."""
        deployment, service = snapshot.deployment, snapshot.service
        await self._route(job, service.id, deployment.id)
        status = await self._through_edge(service.name, deployment, addresses)
        if addresses and (status is None or not _fits(deployment, status)):
            raise EngineError(
                "edge_check_failed",
                f"The release is healthy, but its address answered {status or 'nothing'} through the edge.",
                retry=Retry.BACKOFF,
            ).about({"because": "answers_status", "status": status} if status else {})
        if addresses:
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
            if row.build_id == row.id:
                row.build_kept = True
            if snapshot.restored is not None and kept.live_deployment_id is not None:
                await self._mark_left(deployments, kept.live_deployment_id, snapshot.restored)
            await purchase.went_live(session, kept, row.plan_id, row.finished_at)
            kept.live_deployment_id = kept.routed_deployment_id = row.id
            kept.becomes(ServiceStatus.RUNNING)
            kept.desired = Desired.RUNNING
            await wanted.forget_unknown(session, row)
            await purchase.settle(session, kept)
            await waiting.went_live(session, kept)
            await usage.follow(session, kept, deployment_id=row.id, job_id=job.id)
            await note(session, kept.id, LIVE, deployment_id=row.id)
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

    async def _through_edge(self, name: str, deployment: Deployment, addresses: list[str]) -> int | None:
        """None also for a release that nobody visits."""
        status = None
        for pause in (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6) if addresses else ():
            await asyncio.sleep(pause)
            status = await self._edge.ask(name, deployment.health_path, addresses)
            if status is not None and _fits(deployment, status):
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
            await waiting.failed(session, service)
            if state is DeploymentState.FAILED:
                await note(session, service.id, FAILED, deployment_id=row.id, reason=reason)
            await services.flush()
            await deployments.notify(CHANNEL, str(row.id))
        try:
            await self._edge.publish()
            if reason.code == RELEASE_MISSING:
                await note_missing(self._database, self._engine, row.build_id)
            await self._engine.stop_task(str(job.deployment_id))
            await self._engine.remove(str(job.deployment_id))
            await mounting.bring_back(self._database, self._engine, job.service_id, job.deployment_id)
        except (EngineError, TimeoutError) as error:
            logger.warning("left to the reconciler: {}", error)
        return True

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


def _fits(deployment: Deployment, status: int) -> bool:
    """What an app answers that is not checked by a path is its own business."""
    return deployment.health_kind != HealthKind.HTTP or fit(deployment.health_path, status)


def _leave_step(row: Deployment) -> None:
    moment = now().isoformat()
    row.steps = [{**step, "finished_at": step["finished_at"] or moment} for step in row.steps]
