"""A release as the engine takes it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.catalogue.models import Plan
from backend.engines.base import HealthKind, Limits, ProcessSpec, ReleaseSpec, Restart
from backend.processes import wanted
from backend.services.dao import DeploymentDAO, ServiceDAO
from backend.services.environment import open_snapshot
from backend.services.models import Deployment, Service
from backend.volumes import mounting


def limits_of(plan: Plan) -> Limits:
    return Limits(plan.memory_bytes, plan.disk_bytes, plan.cpu_millis, plan.pids)


def compose(
    service: Service,
    deployment: Deployment,
    command: str,
    limits: Limits,
    environment: Mapping[str, str],
    processes: tuple[ProcessSpec, ...],
) -> ReleaseSpec:
    return ReleaseSpec(
        deployment_id=str(deployment.id),
        service_id=str(service.id),
        project_id=str(service.realm),
        service_name=service.name,
        build_id=str(deployment.build_id),
        command=command,
        limits=limits,
        env=environment,
        processes=processes,
        restart=Restart(deployment.restart_policy),
        user=deployment.run_as or "",
        health=HealthKind(deployment.health_kind),
        health_command=deployment.health_command or "",
        health_path=deployment.health_path,
        port=deployment.port,
    )


async def release_of(session: AsyncSession, deployment_id: UUID) -> ReleaseSpec | None:
    """One that was deployed before, as its service is scaled now; None for what was never built."""
    deployment = await DeploymentDAO(session).get(deployment_id)
    if deployment is None or deployment.command is None:
        return None
    service = await ServiceDAO(session).get(deployment.service_id)
    plan = await session.get(Plan, deployment.plan_id)
    assert service is not None
    assert plan is not None
    release = compose(
        service,
        deployment,
        deployment.command,
        limits_of(plan),
        open_snapshot(deployment.id, deployment.environment),
        await wanted.chosen(session, deployment),
    )
    return await mounting.of_release(session, release)
