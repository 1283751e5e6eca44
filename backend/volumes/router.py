"""Volumes of a service, its secret files, and secrets shown again on purpose."""

from __future__ import annotations

import base64
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.exceptions import NotFound
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import SERVICES_READ, SERVICES_WRITE, VARIABLES_READ, VARIABLES_WRITE
from backend.services import lifecycle
from backend.services.access import Reader, VariableReader, VariableWriter, Writer
from backend.services.dao import ServiceDAO
from backend.services.models import Service
from backend.utils.http import json_answer
from backend.volumes import files, keeping, listing, revealing
from backend.volumes import schemas as s

router = APIRouter(prefix="/api/v1", tags=["services"])

Proven = Annotated[Principal, Depends(require(VARIABLES_WRITE, recent=True))]


async def _readable(session: SessionDep, service_id: UUID, principal: Principal, permission: str) -> Service:
    service = await ServiceDAO(session).readable(service_id, tuple(principal.projects))
    if service is None or not principal.may(permission, service.project_id):
        raise NotFound("There is no such service.")
    return service


@router.get(
    "/services/{service_id}/volumes",
    operation_id="volumes_list",
    summary="Volumes of a service",
    response_model=s.Volumes,
    responses=problems(401, 403, 404, 422),
)
async def volumes_list(service_id: UUID, session: SessionDep, parts: PartsDep, principal: Reader) -> Response:
    """What stays when releases change, how full it is, and what it may become."""
    service = await _readable(session, service_id, principal, SERVICES_READ)
    return json_answer(await listing.volumes(session, parts.settings, parts.engine, service))


@router.post(
    "/services/{service_id}/volumes",
    operation_id="volumes_create",
    summary="Add a volume",
    status_code=201,
    response_model=s.VolumeView,
    responses=problems(401, 403, 404, 409, 422),
)
async def volumes_create(
    service_id: UUID, wanted: s.VolumeIn, session: SessionDep, parts: PartsDep, principal: Writer
) -> Response:
    """The next deployment has it. From then on the old release stops before a new one starts."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    volume = await keeping.add(session, parts.settings, parts.engine, service, wanted)
    return json_answer(await listing.one(session, service, volume), 201)


@router.patch(
    "/services/{service_id}/volumes/{volume_id}",
    operation_id="volumes_update",
    summary="Let a volume grow",
    response_model=s.VolumeView,
    responses=problems(401, 403, 404, 409, 422),
)
async def volumes_update(
    service_id: UUID,
    volume_id: UUID,
    change: s.VolumePatch,
    session: SessionDep,
    parts: PartsDep,
    principal: Writer,
) -> Response:
    """At once where the machine can do that under a running release, else with the next deployment."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    volume = await keeping.grow(session, parts.settings, service, volume_id, change.size_gib)
    return json_answer(await listing.one(session, service, volume))


@router.post(
    "/services/{service_id}/volumes/{volume_id}/removal",
    operation_id="volumes_remove",
    summary="Delete a volume",
    response_model=s.VolumeView,
    responses=problems(401, 403, 404, 409, 422),
)
async def volumes_remove(
    service_id: UUID, volume_id: UUID, meant: s.RemovalIn, session: SessionDep, principal: Writer
) -> Response:
    """With all its data, as soon as no release has it: the next deployment goes without."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    volume = await keeping.ask_removal(session, service, volume_id, meant.name)
    return json_answer(await listing.one(session, service, volume))


@router.delete(
    "/services/{service_id}/volumes/{volume_id}/removal",
    operation_id="volumes_keep",
    summary="Keep a volume after all",
    response_model=s.VolumeView,
    responses=problems(401, 403, 404, 409, 422),
)
async def volumes_keep(service_id: UUID, volume_id: UUID, session: SessionDep, principal: Writer) -> Response:
    """Takes a deletion back that has not begun."""
    service = await lifecycle.locked(session, service_id, principal, SERVICES_WRITE)
    volume = await keeping.keep(session, service, volume_id)
    return json_answer(await listing.one(session, service, volume))


@router.get(
    "/services/{service_id}/files",
    operation_id="files_list",
    summary="Secret files of a service",
    response_model=s.Files,
    responses=problems(401, 403, 404, 422),
)
async def files_list(service_id: UUID, session: SessionDep, principal: VariableReader) -> Response:
    """Their paths and sizes, never their content."""
    service = await _readable(session, service_id, principal, VARIABLES_READ)
    return json_answer(await listing.secret_files(session, service))


@router.put(
    "/services/{service_id}/files",
    operation_id="files_put",
    summary="Write a secret file",
    response_model=s.FileView,
    responses=problems(401, 403, 404, 409, 422),
)
async def files_put(
    service_id: UUID, wanted: s.FileIn, session: SessionDep, principal: VariableWriter
) -> Response:
    """Sealed at rest, read-only for the app, from the next deployment on."""
    service = await lifecycle.locked(session, service_id, principal, VARIABLES_WRITE)
    return json_answer(listing.shape_file(await files.put(session, service, wanted)))


@router.delete(
    "/services/{service_id}/files/{file_id}",
    operation_id="files_delete",
    summary="Remove a secret file",
    status_code=204,
    responses=problems(401, 403, 404, 409, 422),
)
async def files_delete(
    service_id: UUID, file_id: UUID, session: SessionDep, principal: VariableWriter
) -> Response:
    """The next deployment goes without."""
    service = await lifecycle.locked(session, service_id, principal, VARIABLES_WRITE)
    await files.remove(session, service, file_id)
    return Response(status_code=204)


@router.post(
    "/services/{service_id}/files/{file_id}/reveal",
    operation_id="files_reveal",
    summary="Show a secret file",
    response_model=s.RevealedFile,
    responses=problems(401, 403, 404, 409, 422),
)
async def files_reveal(service_id: UUID, file_id: UUID, session: SessionDep, principal: Proven) -> Response:
    """Needs a recent proof of who asks, and goes on record."""
    service = await lifecycle.locked(session, service_id, principal, VARIABLES_WRITE)
    path, content = await files.reveal(session, service, file_id)
    return json_answer({"path": path, "content": base64.b64encode(content).decode()})


@router.post(
    "/services/{service_id}/variables/reveal",
    operation_id="variables_reveal",
    summary="Show a variable's value",
    response_model=s.RevealedVariable,
    responses=problems(401, 403, 404, 409, 422),
)
async def variables_reveal(
    service_id: UUID, wanted: s.RevealIn, session: SessionDep, principal: Proven
) -> Response:
    """Needs a recent proof of who asks, and goes on record."""
    service = await lifecycle.locked(session, service_id, principal, VARIABLES_WRITE)
    value = await revealing.variable(session, service, wanted.name)
    return json_answer({"name": wanted.name, "value": value})
