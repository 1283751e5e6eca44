"""Making a user: the account, its personal project and its role, all or nothing."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from backend.exceptions import Conflict
from backend.projects.membership import create_personal
from backend.roles.dao import RoleDAO
from backend.users.dao import UserDAO
from backend.users.models import User
from backend.utils.ids import new_id

BASE_ROLE = "user"


async def register(
    session: AsyncSession,
    *,
    email: str,
    password_hash: str,
    name: str | None = None,
    locale: str = "en",
    roles: tuple[str, ...] = (BASE_ROLE,),
) -> User:
    """`email` is normalised and the password hashed: hashing must not hold a connection.

    Raises `Conflict` with code `email_taken`.
    """
    user = await UserDAO(session).create(
        id=new_id(),
        email=email,
        name=name or email.partition("@")[0][:100],
        password_hash=password_hash,
        locale=locale,
    )
    if user is None:
        raise Conflict("Somebody has registered with this e-mail address.", code="email_taken")
    await RoleDAO(session).give(user.id, roles)
    await create_personal(session, user.id, user.name)
    return user
