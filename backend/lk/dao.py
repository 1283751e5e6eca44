"""Statements over the sessions of whoever is signed in."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from backend.dao.base import BaseDAO
from backend.oauth.models import Ending, OAuthClient, OAuthSession


class OwnSessionDAO(BaseDAO[OAuthSession]):
    """Sign-ins of the person: not what applications were granted, nor a supporter's looking."""

    model = OAuthSession

    async def alive(self, session_id: UUID, user_id: UUID) -> OAuthSession | None:
        return await self.one(
            select(OAuthSession).where(OAuthSession.id == session_id, *_own(user_id), _FIRST_PARTY)
        )

    async def prove(self, session_id: UUID, at: datetime) -> None:
        await self.execute(update(OAuthSession).where(OAuthSession.id == session_id).values(proved_at=at))

    async def revoke_others(self, user_id: UUID, keep: UUID, reason: Ending, at: datetime) -> int:
        """How many were still alive."""
        others = (OAuthSession.id != keep, *_own(user_id), _FIRST_PARTY)
        return await self.execute(
            update(OAuthSession).where(*others).values(revoked_at=at, revoked_reason=reason)
        )


_FIRST_PARTY = OAuthSession.client_id.in_(
    select(OAuthClient.id).where(OAuthClient.first_party).scalar_subquery()
)


def _own(user_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (
        OAuthSession.user_id == user_id,
        OAuthSession.revoked_at.is_(None),
        OAuthSession.acting_id.is_(None),
    )
