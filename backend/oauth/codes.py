"""Authorization codes: good for one exchange within a minute (RFC 6749 §4.1.2, RFC 9700 §4.5)."""

from __future__ import annotations

import secrets
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.audit.actor import Actor
from backend.database import now
from backend.oauth import sessions
from backend.oauth.dao import CodeDAO
from backend.oauth.models import AuthorizationCode, Ending, OAuthClient
from backend.oauth.tokens import digest
from backend.utils.ids import new_id

LIFETIME = timedelta(seconds=60)
KEPT = timedelta(days=1)
"""How long a code stays recognisable after it expired, so that a late second use still ends what it gave."""


def new_code() -> str:
    return secrets.token_urlsafe(32)


async def keep(
    session: AsyncSession,
    code: str,
    *,
    client_id: str,
    user_id: UUID,
    redirect_uri: str,
    scope: str,
    code_challenge: str,
) -> None:
    at = now()
    await CodeDAO(session).add(
        AuthorizationCode(
            id=new_id(),
            code_hash=digest(code),
            client_id=client_id,
            user_id=user_id,
            redirect_uri=redirect_uri,
            scope=scope,
            code_challenge=code_challenge,
            created_at=at,
            expires_at=at + LIFETIME,
        )
    )


async def present(session: AsyncSession, code: str, client: OAuthClient) -> AuthorizationCode | UUID | None:
    """Lock the code and judge it: usable, or the id of the session it just ended, or None.

    One that another client shows stays usable: whoever guessed or saw it must not spoil it.
    """
    row = await CodeDAO(session).lock_by_hash(digest(code))
    if row is None or row.client_id != client.id:
        return None
    if row.used_at is not None:
        await trail.record(
            session,
            Action.GRANT_CODE_REUSED,
            object_type="application",
            object_id=client.id,
            object_name=client.name,
            result="refused",
            actor=Actor(user_id=row.user_id, client_id=client.id, session_id=row.session_id),
        )
        if row.session_id is not None:
            await sessions.revoke(session, row.session_id, Ending.CODE_REUSED)
        return row.session_id
    return row if row.expires_at > now() else None


async def use(session: AsyncSession, row: AuthorizationCode, session_id: UUID) -> None:
    row.used_at = now()
    row.session_id = session_id
    await CodeDAO(session).flush()


async def prune(session: AsyncSession) -> int:
    """Forget codes that expired long ago; gives how many."""
    return await CodeDAO(session).delete_expired(now() - KEPT)
