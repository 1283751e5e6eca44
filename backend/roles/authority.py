"""How far an administrator's word reaches: nobody gives what they lack, and somebody can always undo it.

All of it is judged under one lock: two administrators who demote each other do it one after the other,
and the second finds out.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.exceptions import Conflict, Forbidden
from backend.oauth.identity import Principal
from backend.roles.dao import RoleDAO
from backend.roles.permissions import ADMIN, EVERYTHING

_LOCK = "administration"


class Authority:
    """What the principal holds now, within what this token allows."""

    def __init__(self, held: frozenset[str]) -> None:
        self._held = held

    def covers(self, permissions: Iterable[str]) -> bool:
        return self._held.issuperset(permissions)

    def may_give(self, permissions: Iterable[str]) -> None:
        """Raises `Forbidden` for what the principal lacks."""
        lacking = sorted(frozenset(permissions) - self._held)
        if lacking:
            raise Forbidden(
                f"You cannot give what you do not hold: {', '.join(lacking)}.", code="more_than_you_hold"
            )

    def may_touch(self, permissions: Iterable[str]) -> None:
        """Raises `Forbidden` for a role or a person with administrative power that the principal lacks."""
        if not self._held.issuperset(ADMIN.intersection(permissions)):
            raise Forbidden("They may do what you may not.", code="outranked")


async def authority_of(session: AsyncSession, principal: Principal, permission: str) -> Authority:
    """Under the lock of administration. Raises `Forbidden` when the permission was just taken away."""
    roles = RoleDAO(session)
    await roles.lock(_LOCK)
    held = principal.permissions & await roles.permissions_held_by(principal.user_id)
    if permission not in held:
        raise Forbidden(f"This needs the permission {permission}.", code="permission_missing")
    return Authority(held)


async def keep_an_administrator(session: AsyncSession, without: UUID) -> None:
    """Raises `Conflict` if the installation would be left with nobody who may do everything.

    Call it before a person is blocked, deleted or loses the role.
    """
    roles = RoleDAO(session)
    await roles.lock(_LOCK)
    if EVERYTHING in await roles.held_by(without) and not await roles.others_hold(EVERYTHING, without):
        raise Conflict(
            "This is the last administrator. Make somebody else one first.", code="last_administrator"
        )
