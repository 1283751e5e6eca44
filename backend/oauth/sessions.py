"""Sessions: the family of refresh tokens that grows from one sign-in (RFC 9700 §4.14.2).

A refresh token is good once. Its second use means that two parties hold it, so the family
ends. Two tabs or a lost answer look the same for a moment; within `GRACE` a token that was
just rotated is given a sibling of its successor instead. Siblings cannot go separate ways:
using one retires the others, and using a retired one later ends the family.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.audit.actor import Actor, current
from backend.dao.base import Values
from backend.database import now
from backend.factors.dao import SecondStepDAO
from backend.oauth.announcements import announce
from backend.oauth.dao import CodeDAO, RefreshTokenDAO, SessionDAO
from backend.oauth.models import Ending, OAuthClient, OAuthSession, RefreshToken
from backend.oauth.tokens import digest
from backend.roles.permissions import FULL_SCOPE, PERMISSIONS
from backend.utils.ids import new_id

GRACE = timedelta(seconds=10)
_USER_AGENT_LENGTH = 400
_NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Presented:
    """A refresh token that may be exchanged; its session is locked until the transaction ends."""

    session: OAuthSession
    token: RefreshToken

    def check_client(self, client: OAuthClient) -> bool:
        return self.session.client_id == client.id

    def get_scope(self) -> str:
        """All that may be asked for: a full session can be narrowed to anything."""
        scope = self.session.scope
        return " ".join((scope, *PERMISSIONS)) if FULL_SCOPE in scope.split() else scope


async def start(
    session: AsyncSession,
    *,
    session_id: UUID,
    user_id: UUID,
    client_id: str,
    scope: str,
    refresh_token: str | None,
    lifetime: timedelta,
    proved: bool = True,
    user_agent: str | None,
    address: str | None,
    arrival: Values | None = None,
) -> None:
    """`arrival` is the row of the history of sign-ins, where somebody came in: all is written at once."""
    at = now()
    values = {
        "id": session_id,
        "user_id": user_id,
        "client_id": client_id,
        "scope": scope,
        "user_agent": user_agent[:_USER_AGENT_LENGTH] if user_agent else None,
        "address": address,
        "created_at": at,
        "last_used_at": at,
        # An application never shows the person's secret, so it never passes for a recent proof.
        "proved_at": at if proved else _NEVER,
        "expires_at": at + lifetime,
    }
    rows: list[Values] = [(OAuthSession, values)]
    if refresh_token is not None:
        rows.append((RefreshToken, _token(session_id, refresh_token, lifetime)))
    if arrival is not None:
        rows.append(arrival)
    by = Actor(user_id, None, client_id, session_id, address, user_agent)
    rows.append(trail.event(Action.SESSION_STARTED, object_type="session", object_id=session_id, actor=by))
    await SessionDAO(session).insert_rows(*rows)


async def present(session: AsyncSession, refresh_token: str, client: OAuthClient) -> Presented | UUID | None:
    """Lock the family and judge the token: usable, or the id of the session it just ended, or None."""
    token_hash = digest(refresh_token)
    family = await SessionDAO(session).lock_by_token(token_hash)
    if family is None or family.client_id != client.id or family.revoked_at is not None:
        return None
    token = await RefreshTokenDAO(session).by_hash(token_hash)
    at = now()
    if token is None or token.expires_at <= at:
        return None
    if token.used_at is not None and at - token.used_at > GRACE:
        await revoke(session, family.id, Ending.TOKEN_REUSED)
        return family.id
    return Presented(family, token)


async def rotate(
    session: AsyncSession, presented: Presented, refresh_token: str, lifetime: timedelta
) -> None:
    """Put the new token in place of the presented one."""
    dao = RefreshTokenDAO(session)
    family = presented.session
    row = RefreshToken(**_token(family.id, refresh_token, lifetime))
    family.last_used_at = row.created_at
    family.expires_at = row.expires_at
    await dao.add(row)
    if presented.token.used_at is None:
        await dao.retire(family.id, row.created_at, row.id)


async def revoke(session: AsyncSession, session_id: UUID, reason: Ending) -> None:
    """End a session at once, its access tokens included."""
    dao = SessionDAO(session)
    if not await dao.revoke(session_id, reason, now()):
        return
    await announce(session, session_id)
    ended = await dao.get(session_id)
    assert ended is not None
    await trail.record(
        session,
        Action.SESSION_TOKEN_REUSED if reason is Ending.TOKEN_REUSED else Action.SESSION_ENDED,
        object_type="session",
        object_id=session_id,
        after={"reason": reason},
        result="refused" if reason is Ending.TOKEN_REUSED else "done",
        actor=_whoever_holds(ended),
    )


async def revoke_all(
    session: AsyncSession, user_id: UUID, reason: Ending, *, keep: UUID | None = None
) -> int:
    """End whatever the user is signed in with, but for one session; gives how many were ended.

    The caller records why.
    """
    ended = await SessionDAO(session).revoke_of(user_id, keep, reason, now())
    # Nor does a sign-in go on that was half done, by a password that may just have been changed.
    await SecondStepDAO(session).remove_all(user_id)
    await CodeDAO(session).drop_all(user_id)
    await announce(session, user_id)
    return ended


async def prune(session: AsyncSession) -> int:
    """Forget a batch of what expired; gives how many. Used tokens are needed until then."""
    at = now()
    return await RefreshTokenDAO(session).delete_expired(at) + await SessionDAO(session).delete_expired(at)


def _whoever_holds(family: OAuthSession) -> Actor:
    """A token of the session is all that was shown, unless somebody was signed in to do this."""
    by = current()
    if by.user_id is not None:
        return by
    return replace(
        by,
        user_id=family.user_id,
        acting_id=family.acting_id,
        client_id=family.client_id,
        session_id=family.id,
    )


def _token(session_id: UUID, refresh_token: str, lifetime: timedelta) -> dict[str, Any]:
    at = now()
    return {
        "id": new_id(),
        "session_id": session_id,
        "token_hash": digest(refresh_token),
        "created_at": at,
        "expires_at": at + lifetime,
    }
