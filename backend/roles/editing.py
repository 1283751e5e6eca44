"""Global roles, as an administrator makes and changes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.trail import record
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.oauth.announcements import EVERYONE, announce
from backend.oauth.identity import Principal
from backend.roles.authority import Authority, authority_of
from backend.roles.dao import RoleDAO
from backend.roles.permissions import ADMIN_ROLES, EVERYTHING, PERMISSIONS, SHIPPED_ROLES
from backend.roles.schemas import RoleIn, RolePatch, RoleView

MOST = 100


async def overview(session: AsyncSession, principal: Principal) -> list[RoleView]:
    authority = Authority(principal.permissions)
    return [_view(row, authority) for row in await RoleDAO(session).overview()]


async def get(session: AsyncSession, principal: Principal, name: str) -> RoleView:
    """Raises `NotFound`."""
    row = await RoleDAO(session).overview_of(name)
    if row is None:
        raise NotFound("There is no such role.")
    return _view(row, Authority(principal.permissions))


async def create(session: AsyncSession, principal: Principal, wanted: RoleIn) -> None:
    """Raises `Invalid`, `Forbidden` and `Conflict`."""
    permissions = _declared(wanted.permissions)
    authority = await authority_of(session, principal, ADMIN_ROLES)
    authority.may_give(permissions)
    roles = RoleDAO(session)
    if await roles.count() >= MOST:
        raise Conflict("There are as many roles as there may be.", code="too_many_roles")
    if not await roles.put_role(wanted.name, wanted.title):
        raise Conflict("There is a role of this name.", code="role_taken")
    await roles.grant(wanted.name, permissions)
    await record(
        session,
        Action.ROLE_CREATED,
        object_type="role",
        object_id=wanted.name,
        object_name=wanted.title,
        after={"title": wanted.title, "permissions": sorted(permissions)},
    )


async def change(session: AsyncSession, principal: Principal, name: str, wanted: RolePatch) -> None:
    """Raises `Invalid`, `Forbidden`, `NotFound` and `Conflict`. It holds from everyone's next request on."""
    permissions = None if wanted.permissions is None else _declared(wanted.permissions)
    authority = await authority_of(session, principal, ADMIN_ROLES)
    before = await get(session, principal, name)
    if before.fixed:
        raise Conflict("This role always holds everything.", code="role_fixed")
    title = before.title if wanted.title is None else wanted.title
    if before.shipped and title != before.title:
        raise Conflict("A role that comes with the product keeps its title.", code="role_shipped")
    held = frozenset(before.permissions)
    wished = held if permissions is None else permissions
    authority.may_touch(held)
    authority.may_give(wished - held)
    if title == before.title and wished == held:
        return
    roles = RoleDAO(session)
    await roles.retitle(name, title)
    await roles.grant(name, wished - held)
    await roles.withdraw(name, held - wished)
    await announce(session, EVERYONE)
    await record(
        session,
        Action.ROLE_UPDATED,
        object_type="role",
        object_id=name,
        object_name=title,
        before={"title": before.title, "permissions": before.permissions},
        after={"title": title, "permissions": sorted(wished)},
    )


async def delete(session: AsyncSession, principal: Principal, name: str, reassign_to: str | None) -> None:
    """Raises `Forbidden`, `NotFound` and `Conflict`; a role that people hold only with another for them."""
    authority = await authority_of(session, principal, ADMIN_ROLES)
    role = await get(session, principal, name)
    if role.shipped:
        raise Conflict("A role that comes with the product stays.", code="role_shipped")
    authority.may_touch(role.permissions)
    roles = RoleDAO(session)
    if reassign_to is not None:
        if reassign_to == name or not await roles.known([reassign_to]):
            raise invalid_field(["query", "reassign_to"], "There is no such role.", "role_unknown")
        authority.may_give(await roles.permissions_of(reassign_to))
    elif role.holders:
        raise Conflict("People have this role. Say which one they get instead.", code="role_held")
    await roles.reassign(name, reassign_to)
    await roles.drop(name)
    await announce(session, EVERYONE)
    await record(
        session,
        Action.ROLE_DELETED,
        object_type="role",
        object_id=name,
        object_name=role.title,
        before={"title": role.title, "permissions": role.permissions, "holders": role.holders},
        after={"reassigned_to": reassign_to} if reassign_to is not None else None,
    )


def _declared(names: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(names)
    if unknown := sorted(wanted - PERMISSIONS.keys()):
        message = f"There are no such permissions: {', '.join(unknown)}."
        raise invalid_field(["body", "permissions"], message, "permission_unknown")
    return wanted


def _view(row: Row[Any], authority: Authority) -> RoleView:
    name = row.name
    permissions = list(row.permissions or ())
    return RoleView(
        name=name,
        title=row.title,
        shipped=name in SHIPPED_ROLES,
        fixed=name == EVERYTHING,
        givable=authority.covers(permissions),
        permissions=permissions,
        holders=row.holders,
    )
