"""What users let applications do: remembered, shown, and taken back at once."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.database import now
from backend.exceptions import NotFound
from backend.oauth.announcements import announce
from backend.oauth.dao import ClientDAO, CodeDAO, ConsentDAO, SessionDAO
from backend.oauth.models import Ending, OAuthClient
from backend.oauth.scopes import ordered
from backend.utils.ids import new_id

KIND = "application"


async def covers(session: AsyncSession, user_id: UUID, client_id: str, scopes: list[str]) -> bool:
    """Whether all of this was granted before."""
    consent = await ConsentDAO(session).of(user_id, client_id)
    return consent is not None and set(scopes) <= set(consent.scope.split())


async def remember(session: AsyncSession, user_id: UUID, client: OAuthClient, scopes: list[str]) -> None:
    """Add to what was granted before."""
    dao = ConsentDAO(session)
    earlier = await dao.of(user_id, client.id)
    before = earlier.scope.split() if earlier is not None else []
    after = ordered({*before, *scopes})
    if earlier is not None and after == before:
        return
    at = now()
    await dao.remember(
        id=new_id(),
        user_id=user_id,
        client_id=client.id,
        scope=" ".join(after),
        created_at=at,
        updated_at=at,
    )
    await trail.record(
        session,
        Action.GRANT_GIVEN,
        object_type=KIND,
        object_id=client.id,
        object_name=client.name,
        before={"scopes": before} if before else None,
        after={"scopes": after},
    )


async def revoke(session: AsyncSession, user_id: UUID, consent_id: UUID) -> None:
    """Forget the consent, and end every session that the application has for the user.

    Raises `NotFound`.
    """
    dao = ConsentDAO(session)
    consent = await dao.owned(consent_id, user_id)
    if consent is None:
        raise NotFound("No access of that kind was given.")
    client_id, scope = consent.client_id, consent.scope
    client = await ClientDAO(session).find(client_id)
    await dao.delete(consent_id)
    await CodeDAO(session).drop(user_id, client_id)
    for session_id in await SessionDAO(session).revoke_all(user_id, client_id, Ending.ACCESS_REVOKED, now()):
        await announce(session, session_id)
    await trail.record(
        session,
        Action.GRANT_REVOKED,
        object_type=KIND,
        object_id=client_id,
        object_name=client.name if client is not None else None,
        before={"scopes": scope.split()},
    )
