"""Commit statuses, for the people of a service."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.hooks.configuration import readable
from backend.oauth.identity import identity_of
from backend.openapi import problems
from backend.roles.permissions import SERVICES_WRITE
from backend.services import lifecycle
from backend.services.access import DeploymentReader, Writer
from backend.statuses import configuration
from backend.statuses import schemas as s
from backend.utils.http import json_answer

router = APIRouter(prefix="/api/v1", tags=["services"])


@router.get(
    "/services/{service_id}/commit-status",
    operation_id="commit_status_get",
    summary="Commit statuses",
    response_model=s.CommitStatusView,
    responses=problems(401, 403, 404, 422),
)
async def commit_status_get(service_id: UUID, session: SessionDep, principal: DeploymentReader) -> Response:
    """Whether the forge is told what its commits come to, and what it was told last."""
    service = await readable(session, principal, service_id)
    return json_answer(await configuration.present(session, service))


@router.patch(
    "/services/{service_id}/commit-status",
    operation_id="commit_status_update",
    summary="Change commit statuses",
    response_model=s.CommitStatusView,
    responses=problems(401, 403, 404, 409, 422),
)
async def commit_status_update(
    service_id: UUID,
    wanted: s.CommitStatusPatch,
    session: SessionDep,
    parts: PartsDep,
    principal: Writer,
) -> Response:
    """On or off, whose API, and with which token; for deployments from now on."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    await configuration.change(session, parts.settings, service, wanted)
    return json_answer(await configuration.present(session, service))


@router.post(
    "/services/{service_id}/commit-status/check",
    operation_id="commit_status_check",
    summary="Check the token of commit statuses",
    response_model=s.StatusCheck,
    responses=problems(401, 403, 404, 409, 422, 429),
)
async def commit_status_check(
    service_id: UUID, request: Request, parts: PartsDep, principal: Writer
) -> Response:
    """Asks the forge for the repository by the token. Takes 20 seconds at most; nothing is written there."""
    async with parts.transaction() as session:
        service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
        access = await configuration.access_to_check(session, service)
    await identity_of(request.app).limits.check("source_check", account=str(principal.user_id))
    return json_answer(await configuration.check(parts.settings, access))
