"""`/api/v1/projects`: projects and who belongs to them."""

from __future__ import annotations

import enum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.projects import lifecycle, membership, reading
from backend.projects.access import commanded, reachable
from backend.projects.schemas import (
    MemberChange,
    MemberView,
    ProjectAnswer,
    ProjectIn,
    ProjectRole,
    TransferIn,
)
from backend.roles.permissions import MEMBERS_READ, MEMBERS_WRITE, PROJECTS_READ, PROJECTS_WRITE
from backend.utils.http import Cursor, Size, json_bytes

router = APIRouter(prefix="/api/v1/projects", tags=["projects"])

Reader = Annotated[Principal, Depends(require(PROJECTS_READ))]
Writer = Annotated[Principal, Depends(require(PROJECTS_WRITE))]
ProvenWriter = Annotated[Principal, Depends(require(PROJECTS_WRITE, recent=True))]
MemberReader = Annotated[Principal, Depends(require(MEMBERS_READ))]
MemberWriter = Annotated[Principal, Depends(require(MEMBERS_WRITE))]


class ProjectSort(enum.StrEnum):
    NAME = "name"
    NAME_DESCENDING = "-name"
    CREATED = "created_at"
    CREATED_DESCENDING = "-created_at"


@router.get(
    "",
    operation_id="projects_list",
    summary="My projects",
    response_model=Page[ProjectAnswer],
    responses=problems(400, 401, 403, 422),
)
async def projects_list(
    principal: Reader,
    parts: PartsDep,
    sort: ProjectSort = ProjectSort.CREATED,
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Those that you are a member of, with your role in each."""
    reader = await parts.database.reader()
    return json_bytes(await reading.page(reader, principal, sort=sort, size=size, cursor=cursor))


@router.post(
    "",
    status_code=201,
    operation_id="projects_create",
    summary="Make a project",
    responses=problems(401, 403, 409, 422),
)
async def projects_create(
    body: ProjectIn, session: SessionDep, parts: PartsDep, principal: Writer
) -> ProjectAnswer:
    """You are its owner."""
    project = await lifecycle.create(session, parts.settings, principal, body.name)
    return await reading.get(session, principal, project.id)


@router.get(
    "/{project_id}", operation_id="projects_get", summary="A project", responses=problems(401, 403, 404, 422)
)
async def projects_get(project_id: UUID, session: SessionDep, principal: Reader) -> ProjectAnswer:
    """With your role in it."""
    return await reading.get(session, principal, project_id)


@router.patch(
    "/{project_id}",
    operation_id="projects_update",
    summary="Rename a project",
    responses=problems(401, 403, 404, 422),
)
async def projects_update(
    project_id: UUID, body: ProjectIn, session: SessionDep, principal: Writer
) -> ProjectAnswer:
    """Addresses of services do not depend on it."""
    crew = await commanded(session, principal, PROJECTS_WRITE, project_id)
    await lifecycle.rename(session, crew, body.name)
    return await reading.get(session, principal, project_id)


@router.delete(
    "/{project_id}",
    status_code=204,
    operation_id="projects_delete",
    summary="Delete a project",
    responses=problems(401, 403, 404, 409, 422),
)
async def projects_delete(project_id: UUID, session: SessionDep, principal: ProvenWriter) -> None:
    """Only one without services and work under way, and never the personal one."""
    await lifecycle.delete(session, principal, project_id)


@router.post(
    "/{project_id}/transfer",
    status_code=204,
    operation_id="projects_transfer",
    summary="Hand a project over",
    responses=problems(401, 403, 404, 409, 422),
)
async def projects_transfer(
    project_id: UUID, body: TransferIn, session: SessionDep, principal: ProvenWriter
) -> None:
    """Makes another member an owner; you step down at the same moment."""
    crew = await commanded(session, principal, PROJECTS_WRITE, project_id)
    await membership.transfer(session, crew, body.user_id, by=principal.user_id, stay_as=body.stay_as)


@router.post(
    "/{project_id}/leave",
    status_code=204,
    operation_id="projects_leave",
    summary="Leave a project",
    responses=problems(401, 403, 404, 409, 422),
)
async def projects_leave(project_id: UUID, session: SessionDep, principal: Writer) -> None:
    """Whatever your role is there; the last owner cannot."""
    crew = await commanded(session, principal, None, project_id)
    await membership.remove(session, crew, principal.user_id, by=principal.user_id)


@router.get(
    "/{project_id}/members",
    operation_id="members_list",
    summary="Members of a project",
    response_model=Page[MemberView],
    responses=problems(400, 401, 403, 404, 422),
)
async def members_list(
    project_id: UUID,
    session: SessionDep,
    parts: PartsDep,
    principal: MemberReader,
    role: ProjectRole | None = None,
    sort: ProjectSort = ProjectSort.CREATED,
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """With the role of each and since when; `sort=name` sorts by name."""
    await reachable(session, principal, MEMBERS_READ, project_id)
    reader = await parts.database.reader()
    return json_bytes(
        await reading.members(reader, project_id, role=role, sort=sort, size=size, cursor=cursor)
    )


@router.patch(
    "/{project_id}/members/{user_id}",
    status_code=204,
    operation_id="members_update",
    summary="Change a member's role",
    responses=problems(401, 403, 404, 409, 422),
)
async def members_update(
    project_id: UUID, user_id: UUID, body: MemberChange, session: SessionDep, principal: MemberWriter
) -> None:
    """It holds from their next request on. The last owner stays owner."""
    crew = await commanded(session, principal, MEMBERS_WRITE, project_id)
    await membership.change_role(session, crew, user_id, body.role)


@router.delete(
    "/{project_id}/members/{user_id}",
    status_code=204,
    operation_id="members_delete",
    summary="Remove a member",
    responses=problems(401, 403, 404, 409, 422),
)
async def members_delete(
    project_id: UUID, user_id: UUID, session: SessionDep, principal: MemberWriter
) -> None:
    """Their tokens open the project no more; the invitations that they sent are revoked."""
    crew = await commanded(session, principal, MEMBERS_WRITE, project_id)
    await membership.remove(session, crew, user_id, by=principal.user_id)
