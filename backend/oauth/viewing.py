"""Looking at an account as its user sees it: a supporter's session of one's own kind, for some minutes.

It reads and changes nothing, it cannot be renewed, its start, its end and what was looked at are on
record, and the person it is about reads that among their own activity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from joserfc.jwk import ECKey
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.audit.actor import Actor, current
from backend.audit.trail import record
from backend.config import Settings
from backend.database import now
from backend.exceptions import Conflict, NotFound
from backend.oauth.announcements import announce
from backend.oauth.dao import SessionDAO
from backend.oauth.grants import Subject
from backend.oauth.identity import Principal
from backend.oauth.models import Ending, OAuthClient, OAuthSession
from backend.oauth.tokens import TokenGenerator
from backend.roles.authority import authority_of
from backend.roles.dao import RoleDAO
from backend.roles.permissions import ADMIN_VIEW_AS, VIEWABLE
from backend.users.dao import UserDAO
from backend.users.letters import write_to
from backend.users.models import User
from backend.users.trail import record_about
from backend.utils.ids import new_id

LETTER = "account_viewed"
_NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Viewing:
    user: User
    access_token: str
    expires_at: datetime
    seconds: int


async def start(
    session: AsyncSession,
    settings: Settings,
    key: ECKey,
    principal: Principal,
    user_id: UUID,
    *,
    reason: str,
    letter: bool,
) -> Viewing:
    """Ends what the supporter looked at before. Raises `NotFound`, `Forbidden` and `Conflict`."""
    if user_id == principal.user_id:
        raise Conflict("This is your own account.", code="own_account")
    user = await UserDAO(session).get(user_id)
    if user is None:
        raise NotFound("There is no such user.")
    authority = await authority_of(session, principal, ADMIN_VIEW_AS)
    authority.may_touch(await RoleDAO(session).permissions_held_by(user_id))
    if not user.is_active:
        raise Conflict("The account is blocked: its user sees nothing.", code="account_blocked")
    await _end(session, principal, None)
    session_id, at = new_id(), now()
    seconds = settings.view_as_minutes * 60
    scope = " ".join(sorted(VIEWABLE))
    expires_at = at + timedelta(seconds=seconds)
    await SessionDAO(session).add(
        OAuthSession(
            id=session_id,
            user_id=user_id,
            client_id=principal.client_id,
            scope=scope,
            acting_id=principal.user_id,
            # Nobody showed a secret of this account.
            proved_at=_NEVER,
            created_at=at,
            last_used_at=at,
            expires_at=expires_at,
        )
    )
    await record_about(
        session,
        user,
        Action.VIEW_AS_STARTED,
        after={"reason": reason, "until": expires_at.isoformat()},
        actor=_for(user_id, principal, session_id),
    )
    if letter:
        await write_to(
            session,
            user,
            LETTER,
            reason=reason,
            minutes=settings.view_as_minutes,
        )
    generator = TokenGenerator(settings.panel_url, key, seconds, session_id, acting_id=principal.user_id)
    token = generator.access_token_generator(
        OAuthClient(id=principal.client_id), "view_as", Subject(user), scope
    )
    return Viewing(user, token, expires_at, seconds)


async def end(session: AsyncSession, principal: Principal, user_id: UUID) -> None:
    """Doing it twice is fine. Raises `NotFound`."""
    if await UserDAO(session).get(user_id) is None:
        raise NotFound("There is no such user.")
    await _end(session, principal, user_id)


async def lapse(session: AsyncSession) -> int:
    """Record the end of a batch of those that ran out by themselves, as of then; gives how many."""
    lapsed = await SessionDAO(session).expire_acting(Ending.VIEWING_ENDED, now())
    for ended in lapsed:
        actor = Actor(ended.user_id, ended.acting_id, ended.client_id, ended.id)
        await _record_end(session, ended.user_id, actor, ended.expires_at)
    return len(lapsed)


async def _end(session: AsyncSession, principal: Principal, user_id: UUID | None) -> None:
    at = now()
    dao = SessionDAO(session)
    for ended in await dao.revoke_acting(principal.user_id, user_id, Ending.VIEWING_ENDED, at):
        await announce(session, ended.id)
        await _record_end(session, ended.user_id, _for(ended.user_id, principal, ended.id), at)


async def _record_end(session: AsyncSession, user_id: UUID, actor: Actor, at: datetime) -> None:
    await record(session, Action.VIEW_AS_ENDED, object_type="user", object_id=user_id, actor=actor, at=at)


def _for(user_id: UUID, principal: Principal, session_id: UUID) -> Actor:
    """The supporter, in the place of the user: so the user finds it among what happened to them."""
    return replace(current(), user_id=user_id, acting_id=principal.user_id, session_id=session_id)
