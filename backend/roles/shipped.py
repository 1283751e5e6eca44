"""The roles that come with the product, kept in step with what the code declares."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from backend.oauth.announcements import EVERYONE, announce
from backend.roles.dao import RoleDAO
from backend.roles.permissions import SHIPPED_ROLES


async def ensure_roles(session: AsyncSession) -> None:
    """Make the shipped roles as declared; safe to repeat. An operator's own roles are left alone."""
    dao = RoleDAO(session)
    changed = False
    for name, (title, declared) in SHIPPED_ROLES.items():
        changed |= await dao.put_role(name, title)
        held = await dao.permissions_of(name)
        if held != declared:
            await dao.grant(name, declared - held)
            await dao.withdraw(name, held - declared)
            changed = True
    if changed:
        await announce(session, EVERYONE)
