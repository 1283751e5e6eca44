"""Using up the links and codes of a user.

The user's row is locked before those of the codes, everywhere: a link that turns a change of address back
removes the link that would confirm it, and the two may be opened at once.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.users.dao import UserDAO
from backend.users.models import User
from backend.users.reading import present
from backend.verificationcodes import codes
from backend.verificationcodes.codes import Used, Wrong
from backend.verificationcodes.purposes import Purpose
from backend.verificationcodes.wording import link_invalid


async def by_link(session: AsyncSession, token: str, *purposes: Purpose) -> tuple[User, Used]:
    """The user, locked, and what the link was for. Raises `BadRequest`."""
    found = await codes.look(session, token, *purposes)
    user = await UserDAO(session).get_locked(found.subject) if found is not None else None
    used = await codes.use_token(session, token, *purposes)
    if user is None or used is None:
        raise link_invalid()
    return user, used


async def by_code(
    session: AsyncSession, code: str, purpose: Purpose, user_id: UUID
) -> tuple[User, Used | Wrong | None]:
    """Commit whatever comes out: a wrong try counts."""
    user = await present(session, user_id, lock=True)
    return user, await codes.use_code(session, code, purpose, user.id)
