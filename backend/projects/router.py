"""`/api/v1/projects`."""

from __future__ import annotations

import enum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.dao.listing import MAX_SIZE, Page
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.projects import reading
from backend.projects.schemas import ProjectAnswer
from backend.roles.permissions import PROJECTS_READ

router = APIRouter(prefix="/api/v1/projects", tags=["projects"])

Reader = Annotated[Principal, Depends(require(PROJECTS_READ))]


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
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
    size: Annotated[int, Query(ge=1, le=MAX_SIZE)] = 20,
) -> Response:
    reader = await parts.database.reader()
    body = await reading.page(reader, principal, sort=sort, size=size, cursor=cursor)
    return Response(body, media_type="application/json")


@router.get(
    "/{project_id}", operation_id="projects_get", summary="A project", responses=problems(401, 403, 404, 422)
)
async def projects_get(project_id: UUID, session: SessionDep, principal: Reader) -> ProjectAnswer:
    return await reading.get(session, principal, project_id)
