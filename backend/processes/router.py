"""The processes of a service: how many units of each run, and what becomes of one that ends."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.exceptions import Conflict, NotFound
from backend.openapi import problems
from backend.processes import changing, reading
from backend.processes.schemas import ProcessesChanged, ProcessesIn, ProcessesView
from backend.roles.permissions import SERVICES_WRITE
from backend.services import lifecycle
from backend.services.access import ReadableService, Writer
from backend.services.dao import ServiceDAO
from backend.utils.http import json_answer

router = APIRouter(prefix="/api/v1/services/{service_id}/processes", tags=["services"])


@router.get(
    "",
    operation_id="processes_get",
    summary="Processes of a service",
    response_model=ProcessesView,
    responses=problems(401, 403, 404, 422),
)
async def processes_get(shown: ReadableService, parts: PartsDep) -> Response:
    """What shall run of each, and each unit of the live release as the engine sees it now."""
    live = shown["live_deployment"]
    units = await reading.running(parts, live["id"] if live else None)
    async with parts.database.transaction() as session:
        service = await ServiceDAO(session).get(shown["id"])
        if service is None:
            raise NotFound("There is no such service.")
        return json_answer(await reading.shaped(session, parts.settings, service, units))


@router.put(
    "",
    operation_id="processes_put",
    summary="Scale a service",
    response_model=ProcessesChanged,
    responses=problems(401, 403, 404, 409, 422),
)
async def processes_put(
    service_id: UUID,
    wanted: ProcessesIn,
    session: SessionDep,
    parts: PartsDep,
    principal: Writer,
) -> Response:
    """The release that serves gets more units or less, without a build. Each costs the service's plan.
    Commands and the restart policy hold from the next deployment on.
    """
    if "replicas" not in parts.engine.abilities and any(one.replicas > 1 for one in wanted.processes):
        message = "This installation runs each process once."
        raise Conflict(message, code="not_supported_here")

    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    job = await changing.change(session, parts.settings, service, principal.user_id, wanted)
    body = await reading.shaped(session, parts.settings, service, None)
    return json_answer({**body, "job_id": job.id if job else None})
