"""Where a service's code comes from, and with what it is read."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.exceptions import Conflict
from backend.oauth.identity import identity_of
from backend.openapi import problems
from backend.roles.permissions import SERVICES_WRITE
from backend.services import lifecycle
from backend.services.access import ReadableService, Writer, project_to_order_in
from backend.services.models import SourceKind
from backend.sources import checking, choosing, credentials, prepared, registries
from backend.sources import schemas as s
from backend.sources.views import shape_key, source_of
from backend.utils.http import json_answer

router = APIRouter(prefix="/api/v1", tags=["services"])


@router.get(
    "/services/{service_id}/source",
    operation_id="source_get",
    summary="Source of a service",
    response_model=s.SourceView,
    responses=problems(401, 403, 404, 422),
)
async def source_get(service: ReadableService, session: SessionDep) -> Response:
    """Repository, ref and folder, and what it is read with: whether there is a token, the public key."""
    return json_answer(await source_of(session, UUID(str(service["id"]))))


@router.put(
    "/services/{service_id}/source/token",
    operation_id="source_token_set",
    summary="Set the access token",
    response_model=s.SourceView,
    responses=problems(401, 403, 404, 409, 422),
)
async def source_token_set(
    service_id: UUID, given: s.SourceTokenIn, session: SessionDep, parts: PartsDep, principal: Writer
) -> Response:
    """In place of an earlier one, for the host of the present address; used from the next deployment on."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    token = given.token.get_secret_value()
    await credentials.set_token(session, parts.settings, service, token, given.username)
    return json_answer(await source_of(session, service_id))


@router.delete(
    "/services/{service_id}/source/token",
    operation_id="source_token_remove",
    summary="Remove the access token",
    status_code=204,
    responses=problems(401, 403, 404, 409, 422),
)
async def source_token_remove(service_id: UUID, session: SessionDep, principal: Writer) -> Response:
    """The next deployment reads the repository as anybody may."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    await credentials.remove_token(session, service)
    return Response(status_code=204)


@router.post(
    "/services/{service_id}/source/deploy-key",
    operation_id="source_deploy_key_renew",
    summary="Make a new deploy key",
    status_code=201,
    response_model=s.DeployKeyView,
    responses=problems(401, 403, 404, 409, 422),
)
async def source_deploy_key_renew(service_id: UUID, session: SessionDep, principal: Writer) -> Response:
    """In place of an earlier one: give its public half to the forge before the next deployment."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    return json_answer(shape_key(await credentials.renew_key(session, service)), 201)


@router.delete(
    "/services/{service_id}/source/deploy-key",
    operation_id="source_deploy_key_remove",
    summary="Remove the deploy key",
    status_code=204,
    responses=problems(401, 403, 404, 409, 422),
)
async def source_deploy_key_remove(service_id: UUID, session: SessionDep, principal: Writer) -> Response:
    """Possible once the source's address is no more one of ssh."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    await credentials.remove_key(session, service)
    return Response(status_code=204)


@router.delete(
    "/services/{service_id}/source/host-key",
    operation_id="source_host_key_forget",
    summary="Forget the ssh server's key",
    status_code=204,
    responses=problems(401, 403, 404, 409, 422),
)
async def source_host_key_forget(service_id: UUID, session: SessionDep, principal: Writer) -> Response:
    """For a server that was set up anew: whichever key it shows at the next deployment is trusted then."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    await credentials.forget_host_key(session, service)
    return Response(status_code=204)


@router.post(
    "/services/{service_id}/source/check",
    operation_id="source_check",
    summary="Check a service's source",
    response_model=s.SourceCheck,
    responses=problems(401, 403, 404, 409, 422, 429, 503),
)
async def source_check(service_id: UUID, request: Request, parts: PartsDep, principal: Writer) -> Response:
    """Whether the repository can be read now, with what the service has for it. Takes 15 seconds at most."""
    async with parts.transaction() as session:
        service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
        if service.source_kind == SourceKind.ARCHIVE:
            raise Conflict("An uploaded archive was checked when it came.", code="source_is_archive")
        url, ref, image = service.repo_url, service.ref, service.image
        access = await credentials.access_to(session, service, url)
        if image is not None:
            access = registries.login_to(await registries.logins_of(session, service_id), image)
    await identity_of(request.app).limits.check("source_check", account=str(principal.user_id))
    return json_answer(await checking.check(parts.settings, parts.engine, url, ref, access, image))


@router.post(
    "/source-checks",
    operation_id="source_checks_create",
    summary="Check a repository",
    response_model=s.SourceCheck,
    responses=problems(401, 403, 404, 409, 422, 429, 503),
)
async def source_checks_create(
    wanted: s.SourceCheckIn, request: Request, parts: PartsDep, principal: Writer
) -> Response:
    """Whether it could be read if it were ordered like this; nothing of it is kept."""
    choosing.require_images(parts.engine, wanted)
    async with parts.transaction() as session:
        access = await prepared.access_for(session, parts.settings, principal, wanted)
    await identity_of(request.app).limits.check("source_check", account=str(principal.user_id))
    found = await checking.check(
        parts.settings, parts.engine, wanted.repo_url or "", wanted.ref, access, wanted.image
    )
    return json_answer(found)


@router.post(
    "/deploy-keys",
    operation_id="deploy_keys_create",
    summary="Make a deploy key for an order",
    status_code=201,
    response_model=s.DeployKeyView,
    responses=problems(401, 403, 404, 409, 422),
)
async def deploy_keys_create(
    session: SessionDep, principal: Writer, wanted: s.DeployKeyIn | None = None
) -> Response:
    """Give its public half to the forge, then name it in the order. Forgotten after a day without one."""
    project_id = project_to_order_in(principal, wanted.project_id if wanted else None)
    return json_answer(shape_key(await credentials.prepare_key(session, project_id)), 201)
