"""The account behind a request."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.exceptions import Unauthorized
from backend.users.dao import UserDAO
from backend.users.models import User


async def present(session: AsyncSession, user_id: UUID, *, lock: bool = False) -> User:
    """Raises `Unauthorized` when it is gone: a principal may be a moment old."""
    users = UserDAO(session)
    user = await users.get_locked(user_id) if lock else await users.get(user_id)
    if user is None:
        raise Unauthorized("The account is gone.", code="session_ended")
    return user
