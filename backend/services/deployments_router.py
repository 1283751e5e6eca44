"""A deployment and its log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from backend.context import PartsDep
from backend.dao.read import shaped
from backend.exceptions import NotFound
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ADMIN_SERVICES, DEPLOYMENTS_READ
from backend.services import schemas as s
from backend.services.deploylog import CHANNEL, read_log
from backend.services.models import DeploymentState
from backend.services.views import deployment_of, service_of, shape_deployment, shape_service
from backend.utils.http import json_answer
from backend.utils.json import to_json
from backend.utils.streams import changes

router = APIRouter(prefix="/api/v1", tags=["services"])

Reader = Annotated[Principal, Depends(require(DEPLOYMENTS_READ))]
After = Annotated[int, Query(ge=0, le=2**31 - 1, description="Only lines behind this `seq`.")]


async def readable_deployment(deployment_id: UUID, parts: PartsDep, principal: Reader) -> dict[str, Any]:
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
    response_model=s.DeploymentLog,
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
    responses=problems(401, 403, 404, 422),
)
async def deployments_log_stream(
    deployment: Readable, parts: PartsDep, after: After = 0
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `log` for each line, `deployment` when its state changes, and `end`."""
    deployment_id, shown = deployment["id"], None
    async for _ in changes(parts.notices, CHANNEL, str(deployment_id)):
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
