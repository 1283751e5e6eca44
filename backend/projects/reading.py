"""Projects, members and invitations as they are shown."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from backend.dao.listing import Query
from backend.dao.read import shaped
from backend.exceptions import NotFound
from backend.oauth.identity import Principal
from backend.projects.dao import (
    INVITATIONS,
    LISTING,
    MEMBERS,
    ProjectDAO,
    invitation_of,
    shape_invitation,
)
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


async def members(
    reader: asyncpg.Pool, project_id: UUID, *, role: str | None, sort: str, size: int, cursor: str | None
) -> bytes:
    """One page as JSON. Raises `BadRequest`."""
    filters = {"project_id": str(project_id), "role": role}
    return await MEMBERS.page(reader, Query(sort=sort, size=size, cursor=cursor, filters=filters))


async def invitations(
    reader: asyncpg.Pool, project_id: UUID, *, sort: str, size: int, cursor: str | None
) -> bytes:
    """One page as JSON. Raises `BadRequest`."""
    filters = {"project_id": str(project_id)}
    return await INVITATIONS.page(reader, Query(sort=sort, size=size, cursor=cursor, filters=filters))


async def invitation(session: AsyncSession, invitation_id: UUID) -> dict[str, Any] | None:
    return await shaped(session, invitation_of(invitation_id), shape_invitation)
