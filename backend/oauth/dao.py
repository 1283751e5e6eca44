"""Statements over clients, sessions, refresh tokens and signing keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from backend.dao.base import BaseDAO
from backend.oauth.models import OAuthClient, OAuthSession, RefreshToken, SigningKey

_IDENTITY = """
SELECT u.email, s.proved_at, s.acting_id,
       ARRAY(
           SELECT p.permission FROM user_roles r JOIN role_permissions p ON p.role = r.role
           WHERE r.user_id = u.id
       ) AS permissions,
       (SELECT json_object_agg(m.project_id, m.role) FROM project_members m WHERE m.user_id = u.id)::text
           AS projects
FROM oauth_sessions s JOIN users u ON u.id = s.user_id
WHERE s.id = $1 AND s.user_id = $2 AND s.revoked_at IS NULL AND s.expires_at > now() AND u.is_active
"""


async def read_identity(reader: asyncpg.Pool, session_id: UUID, user_id: UUID) -> asyncpg.Record | None:
    """(email, proved_at, acting_id, permissions: list, projects: JSON object of id → role or null) at once.

    None when the session ended or the user may no longer sign in.
    """
    return await reader.fetchrow(_IDENTITY, session_id, user_id)


class ClientDAO(BaseDAO[OAuthClient]):
    model = OAuthClient

    async def find(self, client_id: str) -> OAuthClient | None:
        return await self.one(select(OAuthClient).where(OAuthClient.id == client_id))

    async def put_client(self, client_id: str, **values: Any) -> None:
        statement = insert(OAuthClient).values(id=client_id, **values)
        await self.execute(statement.on_conflict_do_update(index_elements=[OAuthClient.id], set_=values))


class SessionDAO(BaseDAO[OAuthSession]):
    model = OAuthSession

    async def lock_by_token(self, token_hash: bytes) -> OAuthSession | None:
        """The session that the refresh token belongs to, locked.

        Everything about a family happens under this lock; tokens are read after it is held.
        """
        owner = select(RefreshToken.session_id).where(RefreshToken.token_hash == token_hash).scalar_subquery()
        statement = select(OAuthSession).where(OAuthSession.id == owner).with_for_update()
        return await self.one(statement.execution_options(populate_existing=True))

    async def revoke(self, session_id: UUID, reason: str, at: datetime) -> bool:
        """Whether it was still alive."""
        statement = (
            update(OAuthSession)
            .where(OAuthSession.id == session_id, OAuthSession.revoked_at.is_(None))
            .values(revoked_at=at, revoked_reason=reason)
        )
        return await self.execute(statement) > 0

    async def delete_expired(self, before: datetime) -> int:
        return await self.execute(delete(OAuthSession).where(OAuthSession.expires_at < before))


class RefreshTokenDAO(BaseDAO[RefreshToken]):
    model = RefreshToken

    async def by_hash(self, token_hash: bytes) -> RefreshToken | None:
        statement = select(RefreshToken).where(RefreshToken.token_hash == token_hash)
        return await self.one(statement.execution_options(populate_existing=True))

    async def retire(self, session_id: UUID, at: datetime, successor: UUID) -> None:
        """Every unused token of the family gives way to the successor."""
        await self.execute(
            update(RefreshToken)
            .where(
                RefreshToken.session_id == session_id,
                RefreshToken.used_at.is_(None),
                RefreshToken.id != successor,
            )
            .values(used_at=at, replaced_by=successor)
        )


class SigningKeyDAO(BaseDAO[SigningKey]):
    model = SigningKey

    async def published(self, retired_after: datetime) -> Sequence[SigningKey]:
        """Newest first; a key that retired long ago signed nothing that is still valid."""
        return await self.all(
            select(SigningKey)
            .where(or_(SigningKey.retired_at.is_(None), SigningKey.retired_at > retired_after))
            .order_by(SigningKey.created_at.desc(), SigningKey.kid)
        )
