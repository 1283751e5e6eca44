"""`/api/v1/admin/roles`: global roles and what they may hold."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from backend.context import SessionDep
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles import editing
from backend.roles.permissions import ADMIN_ROLES, ADMIN_USERS, PERMISSIONS
from backend.roles.schemas import ROLE_NAME, Permissions, PermissionView, RoleIn, RolePatch, Roles, RoleView

admin = APIRouter(prefix="/api/v1/admin", tags=["admin"])

Reader = Annotated[Principal, Depends(require(ADMIN_USERS))]
Editor = Annotated[Principal, Depends(require(ADMIN_ROLES, recent=True))]
Name = Annotated[str, Path(max_length=40, pattern=ROLE_NAME)]


@admin.get(
    "/permissions",
    operation_id="admin_permissions_list",
    summary="All permissions",
    responses=problems(401, 403),
)
async def admin_permissions_list(_: Reader) -> Permissions:
    """As the code declares them; roles are sets of these."""
    return Permissions(
        items=[PermissionView(name=name, description=allows) for name, allows in PERMISSIONS.items()]
    )


@admin.get("/roles", operation_id="admin_roles_list", summary="Roles", responses=problems(401, 403))
async def admin_roles_list(session: SessionDep, principal: Reader) -> Roles:
    """All of them, by name: there are few."""
    return Roles(items=await editing.overview(session, principal))


@admin.post(
    "/roles",
    status_code=201,
    operation_id="admin_roles_create",
    summary="Make a role",
    responses=problems(401, 403, 409, 422),
)
async def admin_roles_create(body: RoleIn, session: SessionDep, principal: Editor) -> RoleView:
    """With no permission that you lack."""
    await editing.create(session, principal, body)
    return await editing.get(session, principal, body.name)


@admin.get(
    "/roles/{role_name}",
    operation_id="admin_roles_get",
    summary="A role",
    responses=problems(401, 403, 404, 422),
)
async def admin_roles_get(role_name: Name, session: SessionDep, principal: Reader) -> RoleView:
    """Its permissions, and how many people hold it."""
    return await editing.get(session, principal, role_name)


@admin.patch(
    "/roles/{role_name}",
    operation_id="admin_roles_update",
    summary="Change a role",
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_roles_update(
    role_name: Name, body: RolePatch, session: SessionDep, principal: Editor
) -> RoleView:
    """It holds from everyone's next request on."""
    await editing.change(session, principal, role_name, body)
    return await editing.get(session, principal, role_name)


@admin.delete(
    "/roles/{role_name}",
    status_code=204,
    operation_id="admin_roles_delete",
    summary="Delete a role",
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_roles_delete(
    role_name: Name,
    session: SessionDep,
    principal: Editor,
    reassign_to: Annotated[
        str | None,
        Query(max_length=40, pattern=ROLE_NAME, description="The role that its holders get instead."),
    ] = None,
) -> None:
    """One that people hold needs `reassign_to`; one that comes with the product stays."""
    await editing.delete(session, principal, role_name, reassign_to)
