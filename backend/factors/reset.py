"""Help for somebody who has lost every second factor: an administrator takes them off the account."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.exceptions import Conflict, NotFound
from backend.factors.dao import PasskeyDAO, RecoveryCodeDAO, SecondStepDAO, TotpDAO
from backend.factors.standing import standing
from backend.oauth.identity import Principal
from backend.roles.authority import authority_of
from backend.roles.dao import RoleDAO
from backend.roles.permissions import ADMIN_USERS_WRITE
from backend.users.dao import UserDAO
from backend.users.letters import write_to
from backend.users.trail import record_about


async def reset(session: AsyncSession, principal: Principal, user_id: UUID) -> None:
    """The password alone signs in again. Raises `NotFound`, `Forbidden` and `Conflict`."""
    if user_id == principal.user_id:
        raise Conflict("This is your own account.", code="own_account")
    authority = await authority_of(session, principal, ADMIN_USERS_WRITE)
    user = await UserDAO(session).get_locked(user_id)
    if user is None:
        raise NotFound("There is no such user.")
    authority.may_touch(await RoleDAO(session).permissions_held_by(user_id))
    before = await standing(session, user.id)
    if not before.protected:
        return
    await TotpDAO(session).remove(user.id)
    await PasskeyDAO(session).remove_all(user.id)
    await RecoveryCodeDAO(session).remove_all(user.id)
    await SecondStepDAO(session).remove_all(user.id)
    await record_about(
        session,
        user,
        Action.USER_FACTORS_RESET,
        before={"totp": before.totp, "passkeys": before.passkeys},
        after={"totp": False, "passkeys": 0},
    )
    await write_to(session, user, "factors_reset")
