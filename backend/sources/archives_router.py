"""Uploading a source, and logins to registries of images."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.jobs.idempotency import Answer, OnceStreamedDep
from backend.oauth.identity import identity_of
from backend.openapi import WORK, problems
from backend.roles.permissions import DEPLOYMENTS_WRITE, SERVICES_WRITE
from backend.services import lifecycle
from backend.services.access import Writer, project_to_order_in
from backend.services.following import refuse_preview
from backend.services.schemas import Accepted
from backend.sources import archives, registries
from backend.sources import schemas as s
from backend.sources.views import shape_archive, source_of
from backend.utils.http import job_location, json_answer

router = APIRouter(prefix="/api/v1", tags=["services"])

FileName = Annotated[
    str,
    Query(max_length=500, pattern=r"^[^\x00]*$", description="Of the archive, as it is listed."),
]
Registry = Annotated[
    str, Path(max_length=300, pattern=r"^[^\x00]*$", description="Its host, such as `ghcr.io`.")
]
BODY = {
    "requestBody": {
        "required": True,
        "description": "The archive itself: .zip, .tar or .tar.gz.",
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary", "examples": ["PK…"]}
            }
        },
    }
}


@router.post(
    "/archives",
    operation_id="archives_create",
    summary="Upload an archive for an order",
    status_code=201,
    response_model=s.ArchiveView,
    responses=problems(401, 403, 404, 409, 422, 429),
    openapi_extra=BODY,
)
async def archives_create(
    request: Request,
    parts: PartsDep,
    principal: Writer,
    project_id: UUID | None = None,
    name: FileName = "",
) -> Response:
    """The body is the archive. Name it in the order; it is forgotten after a day without one."""
    project_id = project_to_order_in(principal, project_id)
    await identity_of(request.app).limits.check("archive", account=str(principal.user_id))
    upload = archives.Upload(parts.settings)
    await upload.take(request.stream())
    try:
        async with parts.transaction() as session:
            body = shape_archive(await archives.keep(session, project_id, name, upload))
    except BaseException:
        upload.drop()
        raise
    return json_answer(body, 201)


@router.post(
    "/services/{service_id}/archive",
    operation_id="service_archive_upload",
    summary="Upload an archive and deploy it",
    status_code=202,
    response_model=Accepted,
    responses=WORK | problems(401, 403, 404, 409, 422, 429),
    openapi_extra=BODY,
)
async def service_archive_upload(
    service_id: UUID,
    request: Request,
    parts: PartsDep,
    principal: Writer,
    once: OnceStreamedDep,
    name: FileName = "",
) -> Response:
    """The body is the archive, which is the service's source from now on; follow the job of `Location`."""
    async with parts.transaction() as session:
        # Before megabytes are taken of somebody who may not give them.
        refuse_preview(await lifecycle.locked(session, service_id, principal, SERVICES_WRITE))
    await identity_of(request.app).limits.check("archive", account=str(principal.user_id))
    upload = archives.Upload(parts.settings)
    await upload.take(request.stream())
    taken = False

    async def work() -> Answer:
        nonlocal taken
        service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
        await lifecycle.locked(session, service_id, principal, DEPLOYMENTS_WRITE)
        await archives.give(session, service, name, upload)
        deployment, job = await lifecycle.deploy(session, service, principal.user_id, "upload")
        taken = True
        body = {"job_id": job.id, "service_id": service_id, "deployment_id": deployment.id}
        return Answer(body, job_location(job.id))

    try:
        async with parts.transaction() as session:
            answer = await once(upload.digest)(session, principal.user_id, work)
    except BaseException:
        upload.drop()
        raise
    if not taken:
        # The answer that the same upload had before.
        upload.drop()
    return answer


@router.put(
    "/services/{service_id}/source/registries/{registry}",
    operation_id="source_registry_set",
    summary="Set a login to a registry",
    response_model=s.SourceView,
    responses=problems(401, 403, 404, 409, 422),
)
async def source_registry_set(
    service_id: UUID,
    registry: Registry,
    given: s.RegistryLoginIn,
    session: SessionDep,
    parts: PartsDep,
    principal: Writer,
) -> Response:
    """For the service's image, and for private images that its builds begin from; sent to this host alone."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    password = given.password.get_secret_value()
    await registries.set_login(session, parts.settings, service, registry, given.username, password)
    return json_answer(await source_of(session, service_id))


@router.delete(
    "/services/{service_id}/source/registries/{registry}",
    operation_id="source_registry_remove",
    summary="Remove a login to a registry",
    status_code=204,
    responses=problems(401, 403, 404, 409, 422),
)
async def source_registry_remove(
    service_id: UUID, registry: Registry, session: SessionDep, parts: PartsDep, principal: Writer
) -> Response:
    """The next deployment asks it as anybody may."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    await registries.remove_login(session, parts.settings, service, registry)
    return Response(status_code=204)
