"""Taking over an account that somebody else may have made with one's address.

Anybody can register with any address, and use the account before its mailbox has proved anything. When it
does so by a password reset, nothing may be left by which whoever made the account comes back.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from backend.factors.dao import PasskeyDAO, RecoveryCodeDAO, TotpDAO
from backend.oauth.dao import ClientDAO, PersonalTokenDAO
from backend.users.dao import UserDAO
from backend.users.models import User


async def clear_out(session: AsyncSession, user: User) -> None:
    """Second factors, tokens, applications, the telephone; sessions and the password are the caller's."""
    await TotpDAO(session).remove(user.id)
    await PasskeyDAO(session).remove_all(user.id)
    await RecoveryCodeDAO(session).remove_all(user.id)
    await PersonalTokenDAO(session).remove_all(user.id)
    await ClientDAO(session).remove_all(user.id)
    user.phone = None
    await UserDAO(session).flush()
