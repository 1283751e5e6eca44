"""The roles that come with the product, kept in step with what the code declares.

`admin` always holds everything. The others belong to the installation's administrators once they are
there: only what a new version declares for the first time is added to them.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from backend.oauth.announcements import EVERYONE, announce
from backend.roles.dao import RoleDAO
from backend.roles.permissions import EVERYTHING, PERMISSIONS, SHIPPED_ROLES


async def ensure_roles(session: AsyncSession) -> None:
    """Make the shipped roles, and give them what they were never offered; safe to repeat."""
    dao = RoleDAO(session)
    changed = await dao.withdraw_undeclared(PERMISSIONS)
    for name, (title, declared) in SHIPPED_ROLES.items():
        changed |= await dao.put_role(name, title)
        known = frozenset() if name == EVERYTHING else await dao.offered(name)
        new = declared - known - await dao.permissions_of(name)
        if new:
            await dao.grant(name, new)
            changed = True
        await dao.note_offered(name, declared)
    if changed:
        await announce(session, EVERYONE)
