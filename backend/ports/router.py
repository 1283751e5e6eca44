"""A port of a service open to the outside."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.exceptions import NotFound
from backend.openapi import problems
from backend.ports import opening, views
from backend.ports import schemas as s
from backend.roles.permissions import SERVICES_READ, SERVICES_WRITE
from backend.services import lifecycle
from backend.services.access import Reader, Writer
from backend.services.dao import ServiceDAO
from backend.utils.http import json_answer

router = APIRouter(prefix="/api/v1", tags=["services"])


@router.get(
    "/services/{service_id}/public-port",
    operation_id="public_port_get",
    summary="A service's public port",
    response_model=s.PublicPortView,
    responses=problems(401, 403, 404, 422),
)
async def public_port_get(
    service_id: UUID, session: SessionDep, parts: PartsDep, principal: Reader
) -> Response:
    """Where its app can be reached past HTTP, or what that would cost."""
    service = await ServiceDAO(session).readable(service_id, tuple(principal.projects))
    if service is None or not principal.may(SERVICES_READ, service.project_id):
        raise NotFound("There is no such service.")
    return json_answer(await views.of_service(session, parts.settings, service))


@router.post(
    "/services/{service_id}/public-port",
    operation_id="public_port_open",
    summary="Open a port to the outside",
    status_code=201,
    response_model=s.OpenedPort,
    responses=problems(401, 403, 404, 409, 422),
)
async def public_port_open(
    service_id: UUID, session: SessionDep, parts: PartsDep, principal: Writer
) -> Response:
    """Some seconds later TCP connections to it reach the port that the app listens at. It stays through
    deployments, rollbacks and stops, until it is closed or the service is deleted."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    row = await opening.open_port(session, parts.settings, service)
    return json_answer(views.shape(parts.settings, row), 201)


@router.delete(
    "/services/{service_id}/public-port",
    operation_id="public_port_close",
    summary="Close a service's public port",
    status_code=204,
    responses=problems(401, 403, 404, 409, 422),
)
async def public_port_close(service_id: UUID, session: SessionDep, principal: Writer) -> Response:
    """Takes no connections some seconds later, and may become another service's."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    await opening.close_port(session, service)
    return Response(status_code=204)
