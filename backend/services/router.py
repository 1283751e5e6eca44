"""Orders and services: what a customer has, and what may be done to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.dao.read import shaped
from backend.exceptions import Forbidden, NotFound
from backend.jobs.idempotency import Answer, OnceDep
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ADMIN_SERVICES as MAY_SEE_ALL
from backend.roles.permissions import (
    DEPLOYMENTS_READ,
    DEPLOYMENTS_WRITE,
    SERVICES_READ,
    SERVICES_WRITE,
    VARIABLES_READ,
    VARIABLES_WRITE,
)
from backend.services import lifecycle, ordering, runtimelog
from backend.services import schemas as s
from backend.services.dao import VariableDAO
from backend.services.environment import check_variables
from backend.services.sources import check_source
from backend.services.views import (
    ADMIN_SERVICES,
    DEPLOYMENTS,
    MASK,
    ORDERS,
    SERVICES,
    deployment_of,
    service_of,
    shape_deployment,
    shape_service,
)
from backend.utils.http import Cursor, Size, json_answer, json_bytes

router = APIRouter(prefix="/api/v1", tags=["services"])
admin = APIRouter(prefix="/api/v1/admin", tags=["admin"])

Reader = Annotated[Principal, Depends(require(SERVICES_READ))]
Writer = Annotated[Principal, Depends(require(SERVICES_WRITE))]
Deployer = Annotated[Principal, Depends(require(DEPLOYMENTS_WRITE))]
DeploymentReader = Annotated[Principal, Depends(require(DEPLOYMENTS_READ))]
VariableReader = Annotated[Principal, Depends(require(VARIABLES_READ))]
VariableWriter = Annotated[Principal, Depends(require(VARIABLES_WRITE))]
Administrator = Annotated[Principal, Depends(require(MAY_SEE_ALL))]
ServiceSort = Literal["name", "-name", "created_at", "-created_at"]
NamePart = Annotated[str | None, Query(max_length=40, pattern=r"^[^\x00]*$", description="Part of the name.")]


def job_location(job_id: UUID) -> str:
    return f"/api/v1/jobs/{job_id}"


@router.post(
    "/orders",
    operation_id="orders_create",
    summary="Order a service",
    status_code=202,
    response_model=s.OrderAccepted,
    responses=problems(401, 403, 404, 409, 422),
)
async def orders_create(
    wanted: s.OrderIn, session: SessionDep, parts: PartsDep, principal: Writer, once: OnceDep
) -> Response:
    """Makes the service and starts its first deployment; follow the job named by `Location`."""
    project_id = _project_for(principal, wanted.project_id)

    async def work() -> Answer:
        order, service, deployment, job = await ordering.place(
            session, parts.settings, project_id, principal.user_id, wanted
        )
        body = {
            "order_id": order.id,
            "job_id": job.id,
            "service_id": service.id,
            "deployment_id": deployment.id,
            "service": await shaped(session, service_of(service.id), shape_service),
            "deployment": await shaped(session, deployment_of(deployment.id), shape_deployment),
        }
        return Answer(body, job_location(job.id))

    return await once(session, principal.user_id, work)


def _project_for(principal: Principal, asked: UUID | None) -> UUID:
    if asked is not None:
        if asked not in principal.projects:
            raise NotFound("There is no such project.")
        if not principal.may(SERVICES_WRITE, asked):
            raise Forbidden("Your role in this project does not let you order.", code="permission_missing")
        return asked
    own = principal.project_ids(SERVICES_WRITE)
    if not own:
        raise Forbidden("You have no project to order in.", code="no_project")
    return min(own)


@router.get(
    "/orders",
    operation_id="orders_list",
    summary="Orders",
    response_model=Page[s.OrderView],
    responses=problems(400, 401, 403, 422),
)
async def orders_list(
    parts: PartsDep,
    principal: Reader,
    sort: Literal["created_at", "-created_at"] = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """What was ordered in your projects, and at which price."""
    filters = {"project_ids": principal.project_ids(SERVICES_READ)}
    return json_bytes(
        await ORDERS.page(await parts.database.reader(), ListQuery(sort, size, cursor, filters))
    )


@router.get(
    "/services",
    operation_id="services_list",
    summary="Services",
    response_model=Page[s.ServiceView],
    responses=problems(400, 401, 403, 422),
)
async def services_list(
    parts: PartsDep,
    principal: Reader,
    project_id: UUID | None = None,
    status: s.ServiceStatusName | None = None,
    q: NamePart = None,
    sort: ServiceSort = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """The services of your projects."""
    own = principal.project_ids(SERVICES_READ)
    filters: dict[str, Any] = {"status": status, "q": q, "project_id": project_id, "project_ids": own}
    if len(own) == 1 and project_id is None:
        # One equality instead of a list lets the database walk the index in order.
        filters |= {"project_id": own[0], "project_ids": None}
    pool = await parts.database.reader()
    return json_bytes(await SERVICES.page(pool, ListQuery(sort, size, cursor, filters)))


@admin.get(
    "/services",
    operation_id="admin_services_list",
    summary="Services of everyone",
    response_model=Page[s.AdminServiceView],
    responses=problems(400, 401, 403, 422),
)
async def admin_services_list(
    parts: PartsDep,
    _: Administrator,
    project_id: UUID | None = None,
    status: s.ServiceStatusName | None = None,
    q: NamePart = None,
    sort: ServiceSort = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """The services of all projects, with their owners."""
    filters = {"status": status, "q": q, "project_id": project_id}
    pool = await parts.database.reader()
    return json_bytes(await ADMIN_SERVICES.page(pool, ListQuery(sort, size, cursor, filters)))


async def readable_service(service_id: UUID, parts: PartsDep, principal: Reader) -> dict[str, Any]:
    """The service as it is shown; 404 for what is not theirs. An administrator of services sees all."""
    async with parts.database.transaction() as session:
        row = await shaped(session, service_of(service_id), shape_service)
    if row is None or not (principal.may(SERVICES_READ, row["project_id"]) or principal.may(MAY_SEE_ALL)):
        raise NotFound("There is no such service.")
    return row


ReadableService = Annotated[dict[str, Any], Depends(readable_service)]


@router.get(
    "/services/{service_id}",
    operation_id="services_get",
    summary="A service",
    response_model=s.ServiceView,
    responses=problems(401, 403, 404, 422),
)
async def services_get(service: ReadableService) -> Response:
    """Its state is never better than what the engine last said."""
    return json_answer(service)


@router.patch(
    "/services/{service_id}",
    operation_id="services_update",
    summary="Change a service",
    response_model=s.ServiceView,
    responses=problems(401, 403, 404, 409, 422),
)
async def services_update(
    service_id: UUID, change: s.ServicePatch, session: SessionDep, parts: PartsDep, principal: Writer
) -> Response:
    """Source, health path and plan; they take effect with the next deployment."""
    service = await lifecycle.locked(session, service_id, principal.project_ids(SERVICES_WRITE))
    if change.source is not None:
        check_source(parts.settings, change.source.repo_url)
        service.repo_url, service.branch = change.source.repo_url, change.source.branch
    if change.health_path is not None:
        service.health_path = change.health_path
    if change.plan_id is not None:
        await lifecycle.check_plan(session, change.plan_id, ["body", "plan_id"])
        service.plan_id = change.plan_id
    await session.flush()
    return json_answer(await shaped(session, service_of(service_id), shape_service))


@router.delete(
    "/services/{service_id}",
    operation_id="services_delete",
    summary="Delete a service",
    status_code=202,
    response_model=s.Accepted,
    responses=problems(401, 403, 404, 409, 422),
)
async def services_delete(
    service_id: UUID, session: SessionDep, principal: Writer, once: OnceDep
) -> Response:
    """Everything of it goes: processes, files, variables, logs. A running deployment is called off."""

    async def work() -> Answer:
        service = await lifecycle.locked(session, service_id, principal.project_ids(SERVICES_WRITE))
        job = await lifecycle.delete(session, service, principal.user_id)
        return Answer(
            {"job_id": job.id, "service_id": service_id, "deployment_id": None}, job_location(job.id)
        )

    return await once(session, principal.user_id, work)


def _operation(kind: str, summary: str, words: str) -> None:
    verb = kind.removeprefix("service.")

    @router.post(
        f"/services/{{service_id}}/{verb}",
        operation_id=f"services_{verb}",
        summary=summary,
        description=words,
        status_code=202,
        response_model=s.Accepted,
        responses=problems(401, 403, 404, 409, 422),
    )
    async def operate(service_id: UUID, session: SessionDep, principal: Writer, once: OnceDep) -> Response:
        async def work() -> Answer:
            service = await lifecycle.locked(session, service_id, principal.project_ids(SERVICES_WRITE))
            job = await lifecycle.operate(session, service, principal.user_id, kind)
            body = {"job_id": job.id, "service_id": service_id, "deployment_id": None}
            return Answer(body, job_location(job.id))

        return await once(session, principal.user_id, work)


_operation("service.stop", "Stop a service", "The release stays, so that it can be started again.")
_operation("service.start", "Start a service", "Starts the release that was live last, unchanged.")
_operation("service.restart", "Restart a service", "Ends the process and starts it again.")


@router.get(
    "/services/{service_id}/variables",
    operation_id="variables_list",
    summary="Variables of a service",
    response_model=s.Variables,
    responses=problems(401, 403, 404, 422),
)
async def variables_list(service_id: UUID, session: SessionDep, principal: VariableReader) -> Response:
    """Their names; values are never shown again."""
    row = await shaped(session, service_of(service_id), shape_service)
    if row is None or not principal.may(VARIABLES_READ, row["project_id"]):
        raise NotFound("There is no such service.")
    return json_answer(await _variables(session, service_id))


async def _variables(session: SessionDep, service_id: UUID) -> dict[str, Any]:
    rows = await VariableDAO(session).of(service_id)
    items = [{"name": row.name, "masked": MASK, "updated_at": row.updated_at} for row in rows]
    return {"items": items}


@router.put(
    "/services/{service_id}/variables",
    operation_id="variables_replace",
    summary="Replace the variables",
    response_model=s.Variables,
    responses=problems(401, 403, 404, 409, 422),
)
async def variables_replace(
    service_id: UUID, wanted: s.VariablesIn, session: SessionDep, principal: VariableWriter
) -> Response:
    """The whole set; it takes effect with the next deployment."""
    service = await lifecycle.locked(session, service_id, principal.project_ids(VARIABLES_WRITE))
    check_variables(wanted.variables)
    await lifecycle.set_variables(session, service.id, wanted.variables)
    return json_answer(await _variables(session, service_id))


@router.post(
    "/services/{service_id}/deployments",
    operation_id="deployments_create",
    summary="Deploy",
    status_code=202,
    response_model=s.Accepted,
    responses=problems(401, 403, 404, 409, 422),
)
async def deployments_create(
    service_id: UUID,
    session: SessionDep,
    principal: Deployer,
    once: OnceDep,
    _: s.DeploymentIn | None = None,
) -> Response:
    """Fetches the newest commit, and brings it live beside what serves now."""

    async def work() -> Answer:
        service = await lifecycle.locked(session, service_id, principal.project_ids(DEPLOYMENTS_WRITE))
        deployment, job = await lifecycle.deploy(session, service, principal.user_id, "manual")
        body = {"job_id": job.id, "service_id": service_id, "deployment_id": deployment.id}
        return Answer(body, job_location(job.id))

    return await once(session, principal.user_id, work)


@router.get(
    "/services/{service_id}/deployments",
    operation_id="deployments_list",
    summary="Deployments of a service",
    response_model=Page[s.DeploymentView],
    responses=problems(400, 401, 403, 404, 422),
)
async def deployments_list(
    service: ReadableService,
    parts: PartsDep,
    _: DeploymentReader,
    sort: Literal["number", "-number"] = "-number",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Its history, newest first."""
    filters = {"service_id": str(service["id"])}
    pool = await parts.database.reader()
    return json_bytes(await DEPLOYMENTS.page(pool, ListQuery(sort, size, cursor, filters)))


LogCursor = Annotated[str | None, Query(max_length=200, pattern=r"^[\x21-\x7e]+$")]


@router.get(
    "/services/{service_id}/log",
    operation_id="services_log",
    summary="What the service printed",
    response_model=s.ServiceLog,
    responses=problems(401, 403, 404, 422, 503),
)
async def services_log(
    service: ReadableService,
    parts: PartsDep,
    after: LogCursor = None,
    size: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> Response:
    """The newest lines, or those after a cursor. Values of variables are cut out."""
    return json_answer(await runtimelog.page(parts, service["id"], after, size))


@router.get(
    "/services/{service_id}/log/stream",
    operation_id="services_log_stream",
    summary="What the service prints, live",
    response_class=EventSourceResponse,
    responses=problems(401, 403, 404, 422),
)
async def services_log_stream(
    service: ReadableService, parts: PartsDep, after: LogCursor = None
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events `log`; without `after` it begins with the newest lines."""
    async for line in runtimelog.follow(parts, service["id"], after):
        yield ServerSentEvent(event="log", data=line)
