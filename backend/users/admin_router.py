"""`/api/v1/admin/users`: everybody, as administrators find, block, promote and look at them."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.exceptions import invalid_field
from backend.oauth import viewing
from backend.oauth.identity import identity_of
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ADMIN_USERS, ADMIN_USERS_WRITE, ADMIN_VIEW_AS
from backend.roles.schemas import ROLE_NAME
from backend.users import administration
from backend.users.views import (
    USERS,
    UserDetails,
    UserPatch,
    UserRoles,
    UserView,
    ViewAsAnswer,
    ViewAsIn,
    ViewAsUser,
)
from backend.utils.http import Cursor, Size, json_bytes

admin = APIRouter(prefix="/api/v1/admin/users", tags=["admin"])

Reader = Annotated[Principal, Depends(require(ADMIN_USERS))]
Writer = Annotated[Principal, Depends(require(ADMIN_USERS_WRITE, recent=True))]
Starter = Annotated[Principal, Depends(require(ADMIN_VIEW_AS, recent=True))]
Viewer = Annotated[Principal, Depends(require(ADMIN_VIEW_AS))]
Words = Annotated[
    str | None,
    Query(
        max_length=100,
        pattern=r"^[^\x00]*$",
        description="Beginnings of words of the name and of parts of the address.",
    ),
]
RoleFilter = Annotated[str | None, Query(max_length=40, pattern=ROLE_NAME)]


@admin.get(
    "",
    operation_id="admin_users_list",
    summary="Users",
    response_model=Page[UserView],
    responses=problems(400, 401, 403, 422),
)
async def admin_users_list(
    parts: PartsDep,
    _: Reader,
    q: Words = None,
    role: RoleFilter = None,
    active: bool | None = None,
    verified: bool | None = None,
    sort: Literal["created_at", "-created_at", "email", "-email", "name", "-name"] = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Everybody who has an account."""
    filters: dict[str, Any] = {
        "q": administration.beginnings(q) if q else None,
        "role": role,
        "active": active or None,
        "blocked": True if active is False else None,
        "verified": verified,
    }
    pool = await parts.database.reader()
    return json_bytes(await USERS.page(pool, ListQuery(sort, size, cursor, filters)))


@admin.get(
    "/{user_id}",
    operation_id="admin_users_get",
    summary="A user",
    responses=problems(401, 403, 404, 422),
)
async def admin_users_get(user_id: UUID, session: SessionDep, _: Reader) -> UserDetails:
    """With projects, roles, the number of sessions and the last sign-in."""
    return await administration.details(session, user_id)


@admin.patch(
    "/{user_id}",
    operation_id="admin_users_update",
    summary="Block or unblock a user",
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_users_update(
    user_id: UUID, body: UserPatch, session: SessionDep, principal: Writer
) -> UserDetails:
    """Blocking ends every session at once; the person gets a letter with the reason."""
    if body.active:
        await administration.unblock(session, principal, user_id)
    elif body.reason is None:
        raise invalid_field(["body", "reason"], "Say why: the person reads it.", "missing")
    else:
        await administration.block(session, principal, user_id, body.reason)
    return await administration.details(session, user_id)


@admin.put(
    "/{user_id}/roles",
    operation_id="admin_users_set_roles",
    summary="Set a user's roles",
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_users_set_roles(
    user_id: UUID, body: UserRoles, session: SessionDep, principal: Writer
) -> UserDetails:
    """None that holds more than you do; the last administrator stays one."""
    await administration.set_roles(session, principal, user_id, body.roles)
    return await administration.details(session, user_id)


@admin.post(
    "/{user_id}/view-as",
    status_code=201,
    operation_id="admin_view_as_start",
    summary="Look at an account as its user sees it",
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_view_as_start(
    request: Request,
    user_id: UUID,
    body: ViewAsIn,
    session: SessionDep,
    parts: PartsDep,
    principal: Starter,
) -> ViewAsAnswer:
    """A token that reads and changes nothing, for some minutes, on record; the user reads of it too.

    What you looked at before ends. Nobody who may do what you may not can be looked at.
    """
    key = await identity_of(request.app).keys.signing()
    started = await viewing.start(
        session, parts.settings, key, principal, user_id, reason=body.reason, letter=body.letter
    )
    return ViewAsAnswer(
        access_token=started.access_token,
        expires_in=started.seconds,
        expires_at=started.expires_at,
        user=ViewAsUser.model_validate(started.user),
    )


@admin.delete(
    "/{user_id}/view-as",
    status_code=204,
    operation_id="admin_view_as_end",
    summary="Stop looking at an account",
    responses=problems(401, 403, 404, 422),
)
async def admin_view_as_end(user_id: UUID, session: SessionDep, principal: Viewer) -> None:
    """With your own token. Doing it twice is fine."""
    await viewing.end(session, principal, user_id)
