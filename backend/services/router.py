"""Services: what a customer has, and what may be done to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.dao.read import shaped
from backend.jobs.idempotency import Answer, OnceDep
from backend.oauth.principal import StandingDep
from backend.openapi import WORK, events, problems
from backend.roles.permissions import SERVICES_READ, SERVICES_WRITE
from backend.services import lifecycle, log_schemas, runtimelog
from backend.services import schemas as s
from backend.services.access import Administrator, ReadableService, Reader, Writer
from backend.services.views import ADMIN_SERVICES, SERVICES, service_of, shape_service
from backend.sources import choosing
from backend.stacks.membership import refuse_member
from backend.utils.http import Cursor, Size, job_location, json_answer, json_bytes

router = APIRouter(prefix="/api/v1", tags=["services"])
admin = APIRouter(prefix="/api/v1/admin", tags=["admin"])

ServiceSort = Literal["name", "-name", "created_at", "-created_at"]
ExactName = Annotated[
    str | None,
    Query(max_length=40, pattern=r"^[^\x00]*$", description="The whole name: one service or none."),
]
NamePart = Annotated[str | None, Query(max_length=40, pattern=r"^[^\x00]*$", description="Part of the name.")]


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
    name: ExactName = None,
    q: NamePart = None,
    sort: ServiceSort = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """The services of your projects."""
    own = principal.project_ids(SERVICES_READ)
    filters: dict[str, Any] = {
        "status": status,
        "name": name,
        "q": q,
        "project_id": project_id,
        "project_ids": own,
    }
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
    name: ExactName = None,
    q: NamePart = None,
    sort: ServiceSort = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """The services of all projects, with their owners."""
    filters = {"status": status, "name": name, "q": q, "project_id": project_id}
    pool = await parts.database.reader()
    return json_bytes(await ADMIN_SERVICES.page(pool, ListQuery(sort, size, cursor, filters)))


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
    """Source, health path and plan, from the next deployment on. What is left out stays, null clears.

    An address of another host takes the access token away, and puts a new deploy key in place of the old.
    """
    choosing.require_images(parts.engine, change.source)
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    await lifecycle.change(session, parts.settings, service, change)
    return json_answer(await shaped(session, service_of(service_id), shape_service))


@router.delete(
    "/services/{service_id}",
    operation_id="services_delete",
    summary="Delete a service",
    status_code=202,
    response_model=s.Accepted,
    responses=WORK | problems(401, 403, 404, 409, 422),
)
async def services_delete(
    service_id: UUID, session: SessionDep, principal: Writer, once: OnceDep
) -> Response:
    """Everything of it goes: processes, files, variables, logs. A running deployment is called off."""

    async def work() -> Answer:
        service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
        await refuse_member(session, service)
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
        responses=WORK | problems(401, 403, 404, 409, 422),
    )
    async def operate(service_id: UUID, session: SessionDep, principal: Writer, once: OnceDep) -> Response:
        async def work() -> Answer:
            service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
            job = await lifecycle.operate(session, service, principal.user_id, kind)
            body = {"job_id": job.id, "service_id": service_id, "deployment_id": None}
            return Answer(body, job_location(job.id))

        return await once(session, principal.user_id, work)


_operation("service.stop", "Stop a service", "The release stays, so that it can be started again.")
_operation("service.start", "Start a service", "Starts the release that was live last, unchanged.")
_operation("service.restart", "Restart a service", "Ends the process and starts it again.")


LogCursor = Annotated[str | None, Query(max_length=4000, pattern=r"^[\x21-\x7e]+$")]


@router.get(
    "/services/{service_id}/log",
    operation_id="services_log",
    summary="What the service printed",
    response_model=log_schemas.ServiceLog,
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
    "/services/{service_id}/log/search",
    operation_id="services_log_search",
    summary="Search what the service printed",
    response_model=log_schemas.ServiceLogFound,
    responses=problems(400, 401, 403, 404, 422, 503),
)
async def services_log_search(
    service: ReadableService,
    parts: PartsDep,
    text: Annotated[str, Query(min_length=1, max_length=200, description="Part of the line, in any case.")],
    unit: Annotated[
        str | None, Query(max_length=60, description="Only of this unit: process and replica.")
    ] = None,
    before: LogCursor = None,
    size: Annotated[int, Query(ge=1, le=200)] = 100,
) -> Response:
    """Lines with a text, the newest first. One answer looks at some MiB: go on while there is a `before`."""
    return json_answer(
        await runtimelog.search(parts, service["id"], text, unit=unit, before=before, size=size)
    )


@router.get(
    "/services/{service_id}/log/stream",
    operation_id="services_log_stream",
    summary="What the service prints, live",
    response_class=EventSourceResponse,
    responses=problems(401, 403, 404, 422)
    | events("Lines as they are printed", log=log_schemas.ServiceLogLine),
)
async def services_log_stream(
    service: ReadableService, parts: PartsDep, standing: StandingDep, after: LogCursor = None
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events `log`; without `after` it begins with the newest lines."""
    async for line in runtimelog.follow(parts, service["id"], after):
        if not await standing.holds():
            return
        yield ServerSentEvent(event="log", data=line)
