"""Deployments of a service, and the log of each."""

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
from backend.exceptions import NotFound
from backend.jobs.idempotency import Answer, OnceDep
from backend.oauth.principal import StandingDep
from backend.openapi import WORK, events, problems
from backend.roles.permissions import ADMIN_SERVICES, DEPLOYMENTS_READ, DEPLOYMENTS_WRITE
from backend.services import lifecycle, log_schemas, rollback
from backend.services import schemas as s
from backend.services.access import Deployer, DeploymentReader, ReadableService, VariableReader
from backend.services.changes import changes_between
from backend.services.deploylog import read_log
from backend.services.log_dao import CHANNEL
from backend.services.models import DeploymentState
from backend.services.views import DEPLOYMENTS, deployment_of, service_of, shape_deployment, shape_service
from backend.utils.http import Cursor, Size, job_location, json_answer, json_bytes
from backend.utils.json import to_json
from backend.utils.streams import changes

router = APIRouter(prefix="/api/v1", tags=["services"])

After = Annotated[int, Query(ge=0, le=2**31 - 1, description="Only lines behind this `seq`.")]


@router.post(
    "/services/{service_id}/deployments",
    operation_id="deployments_create",
    summary="Deploy",
    status_code=202,
    response_model=s.Accepted,
    responses=WORK | problems(401, 403, 404, 409, 422),
)
async def deployments_create(
    service_id: UUID,
    session: SessionDep,
    principal: Deployer,
    once: OnceDep,
    wanted: s.DeploymentIn | None = None,
) -> Response:
    """Fetches the newest commit, what the image's tag stands for, or the archive, and brings it live beside
    what serves now. A build of the same commit with the same options that is kept is used again.
    """

    async def work() -> Answer:
        service = await lifecycle.locked(session, service_id, principal, DEPLOYMENTS_WRITE)
        deployment, job = await lifecycle.deploy(
            session, service, principal.user_id, "manual", rebuild=wanted is not None and wanted.rebuild
        )
        body = {"job_id": job.id, "service_id": service_id, "deployment_id": deployment.id}
        return Answer(body, job_location(job.id))

    return await once(session, principal.user_id, work)


@router.post(
    "/services/{service_id}/rollbacks",
    operation_id="rollbacks_create",
    summary="Roll back",
    status_code=202,
    response_model=s.Accepted,
    responses=WORK | problems(401, 403, 404, 409, 422),
)
async def rollbacks_create(
    service_id: UUID,
    wanted: s.RollbackIn,
    parts: PartsDep,
    session: SessionDep,
    principal: Deployer,
    once: OnceDep,
) -> Response:
    """Brings a kept release back within seconds: its build, variables and health path, on today's plan."""
    await rollback.look(parts, principal, wanted.deployment_id)

    async def work() -> Answer:
        service = await lifecycle.locked(session, service_id, principal, DEPLOYMENTS_WRITE)
        deployment, job = await rollback.accept(session, service, principal.user_id, wanted.deployment_id)
        body = {"job_id": job.id, "service_id": service_id, "deployment_id": deployment.id}
        return Answer(body, job_location(job.id))

    return await once(session, principal.user_id, work)


@router.get(
    "/deployments/{deployment_id}/changes",
    operation_id="deployments_changes",
    summary="What differs between releases",
    response_model=s.ReleaseChanges,
    responses=problems(401, 403, 404, 422),
)
async def deployments_changes(
    deployment_id: UUID,
    session: SessionDep,
    principal: VariableReader,
    against: Annotated[
        UUID | None, Query(description="Another deployment of the service; without it, the live one.")
    ] = None,
) -> Response:
    """What a rollback to this release would change. Variables are told by name, never by value."""
    return json_answer(await changes_between(session, principal, deployment_id, against))


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


async def readable_deployment(
    deployment_id: UUID, parts: PartsDep, principal: DeploymentReader
) -> dict[str, Any]:
    """404 for what is not theirs. An administrator of services sees all."""
    async with parts.database.transaction() as session:
        row = await shaped(session, deployment_of(deployment_id), shape_deployment)
        owner = row and await shaped(session, service_of(row["service_id"]), shape_service)
    if not row or not owner:
        raise NotFound("There is no such deployment.")
    if not (principal.may(DEPLOYMENTS_READ, owner["project_id"]) or principal.may(ADMIN_SERVICES)):
        raise NotFound("There is no such deployment.")
    return row


Readable = Annotated[dict[str, Any], Depends(readable_deployment)]


@router.get(
    "/deployments/{deployment_id}",
    operation_id="deployments_get",
    summary="A deployment",
    response_model=s.DeploymentView,
    responses=problems(401, 403, 404, 422),
)
async def deployments_get(deployment: Readable) -> Response:
    """Its steps with times, and the reason if it did not go well."""
    return json_answer(deployment)


@router.get(
    "/deployments/{deployment_id}/log",
    operation_id="deployments_log",
    summary="Log of a deployment",
    response_model=log_schemas.DeploymentLog,
    responses=problems(401, 403, 404, 422),
)
async def deployments_log(
    deployment: Readable,
    parts: PartsDep,
    after: After = 0,
    size: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> Response:
    """What fetching, building, releasing and checking said."""
    lines = await read_log(parts.database, deployment["id"], after, size)
    finished = DeploymentState(deployment["state"]).final and len(lines) < size
    return json_answer({"lines": lines, "next": lines[-1]["seq"] if lines else after, "finished": finished})


@router.get(
    "/deployments/{deployment_id}/log/stream",
    operation_id="deployments_log_stream",
    summary="Log of a deployment, live",
    response_class=EventSourceResponse,
    responses=problems(401, 403, 404, 422)
    | events(
        "Lines, and the deployment at each change",
        log=log_schemas.DeploymentLogLineView,
        deployment=s.DeploymentView,
        end=None,
    ),
)
async def deployments_log_stream(
    deployment: Readable, parts: PartsDep, standing: StandingDep, after: After = 0
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `log` for each line, `deployment` when its state changes, and `end`."""
    deployment_id, shown = deployment["id"], None
    async for _ in changes(parts.notices, CHANNEL, str(deployment_id)):
        if not await standing.holds():
            return
        # The state first: lines are written before it becomes final, so none can be missed.
        async with parts.database.transaction() as session:
            row = await shaped(session, deployment_of(deployment_id), shape_deployment)
        while lines := await read_log(parts.database, deployment_id, after, 500):
            for line in lines:
                yield ServerSentEvent(event="log", raw_data=to_json(line).decode(), id=str(line["seq"]))
            after = lines[-1]["seq"]
        if row is None:
            break
        if row != shown:
            yield ServerSentEvent(event="deployment", raw_data=to_json(row).decode())
            shown = row
        if DeploymentState(row["state"]).final:
            break
    yield ServerSentEvent(event="end", data={})
