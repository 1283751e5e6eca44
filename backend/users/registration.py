"""Making a user: the account, its personal project and its role, all or nothing.

Whoever registers with an address that has an account gets the same answer, after the same time; the
letter that follows goes to whoever reads the mailbox.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.actor import current
from backend.context import Parts
from backend.database import now
from backend.projects.membership import create_personal
from backend.roles.dao import RoleDAO
from backend.users import verification
from backend.users.asker import Asker
from backend.users.dao import UserDAO
from backend.users.email_change import taken
from backend.users.letters import write_to
from backend.users.models import User
from backend.users.password_change import check
from backend.users.passwords import hash_password
from backend.users.trail import record_about
from backend.utils.ids import new_id

BASE_ROLE = "user"


class AddressTaken(Exception):
    """Somebody has this address; what the caller makes of it must not tell a stranger."""


async def sign_up(
    parts: Parts, asker: Asker, *, email: str, password: str, name: str | None, locale: str
) -> None:
    """`email` is normalised. Raises `Invalid` and `TooManyRequests`."""
    await check(parts.settings, password, email, name)
    await asker.limits.check("registration", address=asker.address)
    async with asker.identity.pace.evenly("registration"):
        # Before the first statement, so that no connection waits for it.
        hashed = await hash_password(password)
        fits = await asker.limits.allows("message", account=email)
        async with parts.transaction() as session:
            try:
                user = await register(session, email=email, password_hash=hashed, name=name, locale=locale)
            except AddressTaken:
                await _tell_owner(session, email, fits)
            else:
                await verification.send(session, user)


async def register(
    session: AsyncSession,
    *,
    email: str,
    password_hash: str,
    name: str | None = None,
    locale: str = "en",
    roles: tuple[str, ...] = (BASE_ROLE,),
    verified: bool = False,
) -> User:
    """`email` is normalised and the password hashed: hashing must not hold a connection.

    Raises `AddressTaken`.
    """
    if await taken(session, email):
        raise AddressTaken
    user = await UserDAO(session).create(
        id=new_id(),
        email=email,
        email_verified_at=now() if verified else None,
        name=name or email.partition("@")[0][:100],
        password_hash=password_hash,
        locale=locale,
    )
    if user is None:
        raise AddressTaken
    await RoleDAO(session).give(user.id, roles)
    await create_personal(session, user.id, user.name)
    by = current()
    await record_about(
        session,
        user,
        Action.USER_REGISTERED,
        after={"locale": user.locale, "roles": roles},
        # Whoever registers is known from here on; a command stays the system's.
        actor=replace(by, user_id=user.id) if by.address else by,
    )
    return user


async def _tell_owner(session: AsyncSession, email: str, fits: bool) -> None:
    owner = await UserDAO(session).by_email(email)
    if owner is None:
        return
    if fits:
        await write_to(session, owner, "account_exists")
    await record_about(
        session,
        owner,
        Action.USER_REGISTERED,
        result="refused",
    )
