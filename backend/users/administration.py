"""Users as administrators see and change them: finding, blocking, roles."""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.dao.read import shaped
from backend.database import now
from backend.exceptions import Conflict, NotFound, invalid_field
from backend.oauth import sessions
from backend.oauth.announcements import announce
from backend.oauth.identity import Principal
from backend.oauth.models import Ending
from backend.projects.dao import ProjectDAO
from backend.roles.authority import Authority, authority_of, keep_an_administrator
from backend.roles.dao import RoleDAO
from backend.roles.permissions import ADMIN_USERS_WRITE, EVERYTHING
from backend.users.dao import UserDAO
from backend.users.letters import write_to
from backend.users.models import User
from backend.users.trail import record_about
from backend.users.views import UserDetails, UserProject, details_of, shape_details

_WORD = re.compile(r"[^\W_]+")


def beginnings(q: str) -> str:
    """What was typed as a query of PostgreSQL's full-text search: every word begins one of the person's."""
    return " & ".join(f"'{word}':*" for word in _WORD.findall(q.lower()))


async def details(session: AsyncSession, user_id: UUID) -> UserDetails:
    """Raises `NotFound`."""
    row = await shaped(session, details_of(user_id), shape_details)
    if row is None:
        raise NotFound("There is no such user.")
    projects = await ProjectDAO(session).of(user_id)
    return UserDetails.model_validate(
        {**row, "projects": [UserProject.model_validate(project) for project in projects]}
    )


async def block(session: AsyncSession, principal: Principal, user_id: UUID, reason: str) -> None:
    """Ends all sessions; tokens stop at once. Raises `NotFound`, `Forbidden` and `Conflict`."""
    if user_id == principal.user_id:
        raise Conflict("This is your own account.", code="own_account")
    user, _ = await _touchable(session, principal, user_id)
    if not user.is_active:
        return
    await keep_an_administrator(session, without=user_id)
    user.is_active, user.blocked_at, user.blocked_reason = False, now(), reason
    await UserDAO(session).flush()
    await sessions.revoke_all(session, user_id, Ending.ACCOUNT_BLOCKED)
    await write_to(
        session,
        user,
        "account_blocked",
        reason=reason,
    )
    await record_about(session, user, Action.USER_BLOCKED, after={"reason": reason})


async def unblock(session: AsyncSession, principal: Principal, user_id: UUID) -> None:
    """The person signs in anew. Raises `NotFound` and `Forbidden`."""
    user, _ = await _touchable(session, principal, user_id)
    if user.is_active:
        return
    reason = user.blocked_reason
    user.is_active, user.blocked_at, user.blocked_reason = True, None, None
    await UserDAO(session).flush()
    await announce(session, user_id)
    await write_to(session, user, "account_unblocked")
    await record_about(session, user, Action.USER_UNBLOCKED, before={"reason": reason})


async def set_roles(
    session: AsyncSession, principal: Principal, user_id: UUID, wanted: Iterable[str]
) -> None:
    """Raises `NotFound`, `Invalid`, `Forbidden` and `Conflict`. It holds from the next request on."""
    user, authority = await _touchable(session, principal, user_id)
    roles = RoleDAO(session)
    wished = frozenset(wanted)
    if unknown := sorted(wished - await roles.known(wished)):
        message = f"There are no such roles: {', '.join(unknown)}."
        raise invalid_field(["body", "roles"], message, "role_unknown")
    held = await roles.held_by(user_id)
    given, taken = wished - held, held - wished
    if not given and not taken:
        return
    authority.may_give(await roles.permissions_of(*given))
    if EVERYTHING in taken:
        await keep_an_administrator(session, without=user_id)
    if taken:
        await roles.take(user_id, taken)
    if given:
        await roles.give(user_id, given)
    await announce(session, user_id)
    await record_about(
        session,
        user,
        Action.USER_ROLES_CHANGED,
        before={"roles": sorted(held)},
        after={"roles": sorted(wished)},
    )


async def _touchable(session: AsyncSession, principal: Principal, user_id: UUID) -> tuple[User, Authority]:
    authority = await authority_of(session, principal, ADMIN_USERS_WRITE)
    user = await UserDAO(session).get_locked(user_id)
    if user is None:
        raise NotFound("There is no such user.")
    authority.may_touch(await RoleDAO(session).permissions_held_by(user_id))
    return user, authority
