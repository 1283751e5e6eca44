"""Bringing a kept release back: accepting it. The work is a deployment's (`deployment.py`), without a build.

A rollback is a deployment of its own, so history, log, progress and cancelling are as with any other. It
takes over what RESTORED names, the environment and the build of the release that it brings back; its plan is
the service's present one, since that is what is paid for. The service's own variables and source stay as
they are: the next ordinary deployment takes them again (`docs/decisions/0019-rollback.md`).
"""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.billing.prices import purchase
from backend.context import Parts
from backend.engines.errors import EngineError
from backend.exceptions import Conflict, NotFound
from backend.jobs import queue
from backend.jobs.models import Job
from backend.oauth.identity import Principal
from backend.services import lifecycle
from backend.services.dao import DeploymentDAO
from backend.services.environment import open_snapshot, seal_snapshot
from backend.services.models import SERVED, Deployment, DeploymentState, Service
from backend.services.retention import note_missing
from backend.services.sources import SOURCE_COLUMNS
from backend.services.trail import record_about
from backend.utils.ids import new_id
from backend.volumes import files

TRIGGER = "rollback"
RESTORED = (
    *SOURCE_COLUMNS,
    "source_digest",
    *lifecycle.RELEASED,
    "processes",
    "commands",
    "commit",
    "commit_subject",
    "build_kind",
    "command",
    "size_bytes",
    "image_port",
    "build_id",
)


async def look(parts: Parts, principal: Principal, deployment_id: UUID) -> None:
    """Before a rollback is accepted: whether its files are still where the database believes them.

    An engine that is away is no reason to refuse; the job will wait for it.
    """
    async with parts.database.transaction() as session:
        found = await DeploymentDAO(session).readable(deployment_id, tuple(principal.projects))
    if found is not None:
        with suppress(EngineError):
            await note_missing(parts.database, parts.engine, found.Deployment.build_id)


async def accept(
    session: AsyncSession, service: Service, user_id: UUID, deployment_id: UUID
) -> tuple[Deployment, Job]:
    """Accept a rollback of the service, whose row is locked. Raises `NotFound` or `Conflict`."""
    lifecycle.refuse_suspended(service)
    deployments = DeploymentDAO(session)
    kept = await deployments.get(deployment_id)
    if kept is None or kept.service_id != service.id:
        raise NotFound("The service has no such deployment.")
    await _check(deployments, service, kept)
    await purchase.secure(session, service, service.plan_id)
    await lifecycle.refuse_unpaid(session, service)
    number = await lifecycle.next_number(session, service)
    new = new_id()
    deployment = Deployment(
        id=new,
        service_id=service.id,
        number=number,
        trigger=TRIGGER,
        state=DeploymentState.QUEUED,
        plan_id=service.plan_id,
        environment=seal_snapshot(new, open_snapshot(kept.id, kept.environment)),
        restores_id=kept.id,
        steps=[],
        **{name: getattr(kept, name) for name in RESTORED},
    )
    await deployments.add(deployment)
    await files.restore(session, kept.id, new)
    job = await queue.accept(
        session,
        "service.rollback",
        project_id=service.project_id,
        user_id=user_id,
        service_id=service.id,
        deployment_id=new,
    )
    after = {"deployment_id": new, "number": number, "release": kept.number}
    await record_about(session, service, Action.SERVICE_ROLLED_BACK, after=after)
    return deployment, job


async def _check(deployments: DeploymentDAO, service: Service, kept: Deployment) -> None:
    if kept.id == service.live_deployment_id:
        message = f"Release #{kept.number} is the live one already; start or restart the service instead."
        raise Conflict(message, code="release_live")
    if kept.state not in SERVED:
        message = f"Deployment #{kept.number} never went live; only what did can be brought back."
        raise Conflict(message, code="release_never_live")
    build = await deployments.get(kept.build_id)
    if build is None or not build.build_kept:
        message = f"The build of release #{kept.number} is no longer kept; deploy its commit again."
        raise Conflict(message, code="release_not_kept")
