"""Variables of a service: names are shown, values never again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from backend.context import SessionDep
from backend.dao.read import shaped
from backend.exceptions import NotFound
from backend.openapi import problems
from backend.roles.permissions import VARIABLES_READ, VARIABLES_WRITE
from backend.services import lifecycle
from backend.services import schemas as s
from backend.services.access import VariableReader, VariableWriter
from backend.services.dao import VariableDAO
from backend.services.environment import check_variables
from backend.services.views import MASK, service_of, shape_service
from backend.utils.http import json_answer

router = APIRouter(prefix="/api/v1", tags=["services"])


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
    service = await lifecycle.locked(session, service_id, principal, VARIABLES_WRITE)
    check_variables(wanted.variables)
    await lifecycle.replace_variables(session, service, wanted.variables)
    return json_answer(await _variables(session, service_id))
