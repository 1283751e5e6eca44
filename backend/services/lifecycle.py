"""What a customer asks of a service: deploy, stop, start, restart, delete, change. Accepting only;
the work is in `deployment.py` and `operations.py`.

All of it happens under the service's row lock, so that two requests at once are one after another.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.values import differences
from backend.billing.metering import events as usage
from backend.billing.prices import purchase
from backend.catalogue.loading import Plans
from backend.config import Settings
from backend.database import now
from backend.engines.errors import Reason
from backend.engines.scale import HealthKind
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.jobs import queue
from backend.jobs.dao import JobDAO
from backend.jobs.models import Job, JobState
from backend.oauth.identity import Principal
from backend.processes import wanted as processes
from backend.projects.access import not_enough
from backend.services.dao import DeploymentDAO, ServiceDAO, VariableDAO
from backend.services.environment import open_variable, seal_snapshot, seal_variable
from backend.services.following import refuse_preview
from backend.services.log_dao import CHANNEL
from backend.services.models import Deployment, DeploymentState, Desired, Service, ServiceStatus
from backend.services.reasons import CANCELLED, SUSPENDED
from backend.services.schemas import HEALTH_PATH, ServicePatch
from backend.services.sources import SOURCE_COLUMNS
from backend.services.trail import record_about
from backend.sources import choosing
from backend.utils.ids import new_id
from backend.volumes import files

OPERATIONS = {
    "service.stop": Action.SERVICE_STOPPED,
    "service.start": Action.SERVICE_STARTED,
    "service.restart": Action.SERVICE_RESTARTED,
}
DEPLOYING = ("service.deploy", "service.rollback")
HEALTH = ("health_kind", "health_path", "health_command", "health_timeout_seconds")
RELEASED = (*HEALTH, "restart_policy", "run_as")
"""Of a service, what its next release takes and keeps."""
HEALTH_DEFAULTS = {"health_kind": HealthKind.HTTP, "health_path": HEALTH_PATH}
_CHANGEABLE = (*SOURCE_COLUMNS, *HEALTH, "release_command", "plan_id")


async def locked(session: AsyncSession, service_id: UUID, principal: Principal, permission: str) -> Service:
    """The service under lock, for a change. 404 for what is not theirs, 403 when their role is not enough."""
    service = await ServiceDAO(session).readable(service_id, tuple(principal.projects), lock=True)
    if service is None:
        raise NotFound("There is no such service.")
    if not principal.may(permission, service.project_id):
        raise not_enough()
    if service.status == ServiceStatus.DELETING:
        raise Conflict("The service is being deleted.", code="service_deleting")
    return service


async def change(session: AsyncSession, settings: Settings, service: Service, wanted: ServicePatch) -> None:
    """Source, health path and plan, as far as they are given. Raises `Invalid` per field, and `Conflict` for
    a dearer plan that the funds do not cover.
    """
    before = _changeable(service)
    given = wanted.model_dump(exclude_unset=True)
    source = given.get("source", {})
    if source:
        refuse_preview(service)
    if source:
        await choosing.change(session, settings, service, source)
    for name in HEALTH:
        if name in given:
            setattr(service, name, given[name] or HEALTH_DEFAULTS.get(name))
    check_health(service)
    if "release_command" in given:
        service.release_command = given["release_command"] or None
    if "plan_id" in given:
        if given["plan_id"] != service.plan_id:
            await check_plan(session, given["plan_id"], ["body", "plan_id"])
            await purchase.choose(session, service, given["plan_id"])
        service.plan_id = given["plan_id"]
        await purchase.settle(session, service)
    await ServiceDAO(session).flush()
    if changed := differences(before, _changeable(service)):
        await record_about(session, service, Action.SERVICE_UPDATED, before=changed[0], after=changed[1])


def check_health(service: Service) -> None:
    if service.health_kind == HealthKind.COMMAND and not service.health_command:
        message = "Say which command tells whether the app is well."
        raise invalid_field(["body", "health_command"], message, "health_command_missing")


async def deploy(
    session: AsyncSession,
    service: Service,
    user_id: UUID | None,
    trigger: str,
    *,
    commit: str | None = None,
    rebuild: bool = False,
) -> tuple[Deployment, Job]:
    """Accept a deployment of the service as it is now, or of that commit. One that waits is superseded."""
    deployment, job = await accept_deployment(
        session, service, user_id, trigger, commit=commit, rebuild=rebuild
    )
    after = {"deployment_id": deployment.id, "number": deployment.number, "trigger": trigger}
    if commit is not None:
        after["commit"] = commit
    await record_about(session, service, Action.SERVICE_DEPLOYED, after=after)
    return deployment, job


async def accept_deployment(
    session: AsyncSession,
    service: Service,
    user_id: UUID | None,
    trigger: str,
    *,
    commit: str | None = None,
    rebuild: bool = False,
) -> tuple[Deployment, Job]:
    """`deploy` as a part of something else that is recorded."""
    refuse_suspended(service)
    await purchase.secure(session, service, service.plan_id)
    await refuse_unpaid(session, service)
    number = await next_number(session, service)
    deployment_id = new_id()
    deployment = Deployment(
        id=deployment_id,
        service_id=service.id,
        number=number,
        trigger=trigger,
        state=DeploymentState.QUEUED,
        **{name: getattr(service, name) for name in SOURCE_COLUMNS},
        rebuild=rebuild,
        # What a push names is of a repository; the source may be none by now.
        commit=commit if service.repo_url else None,
        **{name: getattr(service, name) for name in RELEASED},
        commands=await processes.own_commands(session, service.id),
        release_command=service.release_command,
        plan_id=service.plan_id,
        environment=seal_snapshot(deployment_id, await variables_of(session, service.id)),
        steps=[],
    )
    await DeploymentDAO(session).add(deployment)
    await files.take_over(session, service.id, deployment_id)
    if service.live_deployment_id is None:
        # What the attempt before ended with is no longer the state of things.
        service.becomes(ServiceStatus.PENDING)
    job = await queue.accept(
        session,
        "service.deploy",
        project_id=service.project_id,
        user_id=user_id,
        service_id=service.id,
        deployment_id=deployment.id,
    )
    return deployment, job


async def next_number(session: AsyncSession, service: Service) -> int:
    """For a new deployment, which supersedes one that still waits."""
    for job in await JobDAO(session).open_of(service.id):
        if job.kind in DEPLOYING and job.state == JobState.QUEUED and job.attempts == 0:
            await queue.call_off(session, job)
    for waiting in await DeploymentDAO(session).queued_of(service.id):
        await _end(session, waiting, DeploymentState.SUPERSEDED, "A newer deployment took its place.")
    service.deployments_count += 1
    return service.deployments_count


async def operate(session: AsyncSession, service: Service, user_id: UUID, kind: str) -> Job:
    """Accept `service.stop`, `.start` or `.restart`; the same one that still waits is given again."""
    if kind != "service.stop":
        refuse_suspended(service)
    if service.live_deployment_id is None and kind != "service.stop":
        raise Conflict("No release of this service was ever live: deploy it first.", code="never_live")
    open_jobs = await JobDAO(session).open_of(service.id)
    if open_jobs and open_jobs[-1].kind == kind and open_jobs[-1].state == JobState.QUEUED:
        return open_jobs[-1]
    if kind != "service.stop":
        await refuse_unpaid(session, service)
    await record_about(session, service, OPERATIONS[kind])
    return await queue.accept(
        session, kind, project_id=service.project_id, user_id=user_id, service_id=service.id
    )


def refuse_suspended(service: Service) -> None:
    """Raises `Conflict` for a service that nothing may make run until it is paid for."""
    if service.suspended_at is not None:
        raise Conflict("The service is suspended: top up the project's balance first.", code=SUSPENDED.code)


async def refuse_unpaid(session: AsyncSession, service: Service) -> None:
    """Raises `Conflict` for a service that stands still and would run on nothing. One that runs has its
    grace, and one that never was live holds what it needs.
    """
    if service.live_deployment_id is None:
        return
    stops = any(job.kind == "service.stop" for job in await JobDAO(session).open_of(service.id))
    if stops or service.desired != Desired.RUNNING:
        await purchase.ask_to_run(session, service)


async def delete(
    session: AsyncSession, service: Service, user_id: UUID | None, *, at: datetime | None = None
) -> Job:
    """Accept the deletion: what waits is called off, what runs is asked to end, and usage ends then."""
    for job in await JobDAO(session).open_of(service.id):
        await queue.call_off(session, job)
    for waiting in await DeploymentDAO(session).queued_of(service.id):
        await _end(session, waiting, DeploymentState.CANCELLED, "The service was deleted.")
    for preview in await ServiceDAO(session).previews_of(service.id):
        await delete(session, preview, user_id, at=at)
    service.becomes(ServiceStatus.DELETING)
    await purchase.settle(session, service)
    await usage.follow(session, service, at=at)
    await record_about(session, service, Action.SERVICE_DELETED)
    return await queue.accept(
        session, "service.delete", project_id=service.project_id, user_id=user_id, service_id=service.id
    )


async def called_off(session: AsyncSession, job: Job, why: Reason = CANCELLED) -> None:
    """A job was cancelled before it began: its deployment ends with it."""
    if job.state != JobState.CANCELLED or job.deployment_id is None:
        return
    deployment = await DeploymentDAO(session).get_locked(job.deployment_id)
    if deployment is not None and not DeploymentState(deployment.state).final:
        await _end(session, deployment, DeploymentState.CANCELLED, why.message, why.code)
        service = await ServiceDAO(session).get_locked(deployment.service_id)
        assert service is not None
        await purchase.settle(session, service)


async def variables_of(session: AsyncSession, service_id: UUID) -> dict[str, str]:
    rows = await VariableDAO(session).of(service_id)
    return {row.name: open_variable(service_id, row.name, row.sealed) for row in rows}


async def replace_variables(
    session: AsyncSession, service: Service, variables: dict[str, str | None]
) -> None:
    """`set_variables` on record: names, and which of them were given a value."""
    stored = [row.name for row in await VariableDAO(session).of(service.id)]
    await set_variables(session, service.id, variables)
    given = sorted(name for name, value in variables.items() if value is not None)
    before, after = differences({"variables": stored}, {"variables": sorted(variables)}) or ({}, {})
    if after or given:
        action = Action.SERVICE_VARIABLES_REPLACED
        await record_about(session, service, action, before=before, after={**after, "set": given})


async def set_variables(session: AsyncSession, service_id: UUID, variables: dict[str, str | None]) -> None:
    """Replace the set. Null keeps what is stored, and is refused for a name that is not."""
    dao = VariableDAO(session)
    stored = {row.name for row in await dao.of(service_id)}
    for name, value in variables.items():
        if value is None and name not in stored:
            message = "There is no stored value to keep: send one."
            raise invalid_field(["body", "variables", name], message, "variable_unknown")
    kept = [name for name, value in variables.items() if value is None]
    sealed = {
        name: seal_variable(service_id, name, value) for name, value in variables.items() if value is not None
    }
    await dao.replace(service_id, kept, sealed)


async def check_plan(session: AsyncSession, plan_id: str, loc: list[str | int]) -> None:
    plan = await Plans(session).get(plan_id)
    if plan is None or not plan.active:
        raise invalid_field(loc, "There is no such plan.", "plan_unknown")


def _changeable(service: Service) -> dict[str, Any]:
    return {name: getattr(service, name) for name in _CHANGEABLE}


async def _end(
    session: AsyncSession,
    deployment: Deployment,
    state: DeploymentState,
    reason: str,
    code: str | None = None,
) -> None:
    deployment.state, deployment.reason_code, deployment.reason = state, code or str(state), reason
    deployment.finished_at = now()
    dao = DeploymentDAO(session)
    await dao.flush()
    await dao.notify(CHANNEL, str(deployment.id))
