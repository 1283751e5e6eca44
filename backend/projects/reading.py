"""The projects somebody is a member of."""

from __future__ import annotations

from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from backend.dao.listing import Query
from backend.exceptions import NotFound
from backend.oauth.identity import Principal
from backend.projects.dao import LISTING, ProjectDAO
from backend.projects.schemas import ProjectAnswer


async def page(
    reader: asyncpg.Pool, principal: Principal, *, sort: str, size: int, cursor: str | None
) -> bytes:
    """One page as JSON. Raises `BadRequest`."""
    filters = {"member": str(principal.user_id)}
    return await LISTING.page(reader, Query(sort=sort, size=size, cursor=cursor, filters=filters))


async def get(session: AsyncSession, principal: Principal, project_id: UUID) -> ProjectAnswer:
    """Raises `NotFound`, for other people's projects too."""
    row = await ProjectDAO(session).find(principal.user_id, project_id)
    if row is None:
        raise NotFound("There is no such project.")
    return ProjectAnswer.model_validate(row)
