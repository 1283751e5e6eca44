"""What an operator does for accounts on the command line."""

from __future__ import annotations

import secrets

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.actor import current
from backend.exceptions import invalid_field
from backend.oauth.announcements import announce
from backend.roles.dao import RoleDAO
from backend.users.dao import UserDAO
from backend.users.emails import normalise
from backend.users.models import User
from backend.users.passwords import hash_password
from backend.users.registration import BASE_ROLE, register
from backend.users.trail import record_about
from backend.users.verification import mark

ROLES = (BASE_ROLE, "admin")


async def create_admin(session: AsyncSession, email: str) -> tuple[User, str | None]:
    """The administrator with this e-mail; the random password only when the account is new.

    An existing account is given the role and keeps its password. Raises `Invalid`.
    """
    normalised = normalise(email, reserved_domains=True)
    if normalised is None:
        raise invalid_field(["email"], "This is not an e-mail address.", "invalid_email")
    dao = UserDAO(session)
    user = await dao.by_email(normalised)
    if user is not None:
        if await RoleDAO(session).give(user.id, ROLES):
            await announce(session, user.id)
            await record_about(
                session,
                user,
                Action.USER_ROLES_CHANGED,
                after={"given": ROLES},
            )
        return user, None
    password = secrets.token_urlsafe(18)
    hashed = await hash_password(password)
    user = await register(
        session,
        email=normalised,
        password_hash=hashed,
        name="Administrator",
        roles=ROLES,
        # Whoever runs the command answers for it, and may have no mail server yet.
        verified=True,
    )
    return user, password


async def vouch(session: AsyncSession, email: str) -> bool:
    """Say for a person that the e-mail address is theirs; whether there is such an account."""
    normalised = normalise(email, reserved_domains=True)
    user = await UserDAO(session).by_email(normalised) if normalised is not None else None
    if user is not None:
        await mark(session, user, by=current())
    return user is not None
