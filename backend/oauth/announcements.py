"""Telling every process that what it remembers of an identity is stale."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.oauth.dao import SessionDAO

CHANNEL = "identity"
EVERYONE = "*"


async def announce(session: AsyncSession, who: UUID | str) -> None:
    """Call it in the transaction that changes a user, a role, a membership or a session.

    `who` is the id of the user or of the OAuth session, or `EVERYONE`.
    """
    await SessionDAO(session).notify(CHANNEL, str(who))
