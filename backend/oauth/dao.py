"""Statements over clients, sessions, refresh tokens and signing keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Row, and_, bindparam, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from backend.dao.base import BaseDAO
from backend.factors.models import standing_of
from backend.oauth.models import (
    AuthorizationCode,
    Consent,
    Ending,
    OAuthClient,
    OAuthSession,
    PersonalToken,
    RefreshToken,
    SigningKey,
)
from backend.users.models import KNOWN, From, SignIn, User

_LOOKING = and_(OAuthSession.acting_id.is_not(None), OAuthSession.revoked_at.is_(None))
"""A supporter looks at an account: their session was not ended, though it may have run out."""
_IDENTITY = """
SELECT u.email, s.proved_at, s.acting_id, c.first_party, c.scopes, c.owner_id,
       ARRAY(
           SELECT p.permission FROM user_roles r JOIN role_permissions p ON p.role = r.role
           WHERE r.user_id = u.id
       ) AS permissions,
       (SELECT json_object_agg(m.project_id, m.role) FROM project_members m WHERE m.user_id = u.id)::text
           AS projects
FROM oauth_sessions s
JOIN users u ON u.id = s.user_id
JOIN oauth_clients c ON c.id = s.client_id
LEFT JOIN users o ON o.id = c.owner_id
WHERE s.id = $1 AND s.user_id = $2 AND s.revoked_at IS NULL AND s.expires_at > now() AND u.is_active
  AND (o.id IS NULL OR o.is_active)
  AND (
      s.acting_id IS NULL
      OR EXISTS (
          SELECT FROM users a JOIN user_roles r ON r.user_id = a.id JOIN role_permissions p ON p.role = r.role
          WHERE a.id = s.acting_id AND a.is_active AND p.permission = 'admin:view_as'
      )
  )
"""

_PERSONAL = """
SELECT t.id, t.user_id, t.scope, t.networks, t.expires_at, t.last_used_at, u.email,
       ARRAY(
           SELECT p.permission FROM user_roles r JOIN role_permissions p ON p.role = r.role
           WHERE r.user_id = u.id
       ) AS permissions,
       (SELECT json_object_agg(m.project_id, m.role) FROM project_members m WHERE m.user_id = u.id)::text
           AS projects
FROM oauth_personal_tokens t JOIN users u ON u.id = t.user_id
WHERE t.token_hash = $1 AND (t.expires_at IS NULL OR t.expires_at > now()) AND u.is_active
"""

_CLIENT_WITH_USER = (
    select(
        OAuthClient,
        User,
        exists().where(SignIn.user_id == User.id, KNOWN).label("known"),
        *standing_of(User.__table__.c.id),
    )
    .outerjoin(User, User.email == bindparam("email"))
    .where(OAuthClient.id == bindparam("client_id"))
)
"""Built once: every request for a token asks it."""


async def read_identity(reader: asyncpg.Pool, session_id: UUID, user_id: UUID) -> asyncpg.Record | None:
    """(email, proved_at, acting_id, permissions: list, projects: JSON object of id → role or null) at once,
    with the client's (first_party, scopes, owner_id).

    None when the session ended, or the user or the client's owner may no longer sign in.
    """
    return await reader.fetchrow(_IDENTITY, session_id, user_id)


async def read_personal(reader: asyncpg.Pool, token_hash: bytes) -> asyncpg.Record | None:
    """The same of a personal token, with its own (id, user_id, scope, networks, expires_at, last_used_at)."""
    return await reader.fetchrow(_PERSONAL, token_hash)


class ClientDAO(BaseDAO[OAuthClient]):
    model = OAuthClient

    async def find(self, client_id: str) -> OAuthClient | None:
        return await self.one(select(OAuthClient).where(OAuthClient.id == client_id))

    async def find_with_user(self, client_id: str, email: str | None, whence: From) -> Row[Any] | None:
        """(OAuthClient, User, known) of a client, with whoever has the e-mail address, if anybody has it,
        and whether they came in from there of late; and the columns of `standing_of`."""
        return await self.row(_CLIENT_WITH_USER, {"client_id": client_id, "email": email, **whence})

    async def put_client(self, client_id: str, **values: Any) -> None:
        statement = insert(OAuthClient).values(id=client_id, **values)
        await self.execute(statement.on_conflict_do_update(index_elements=[OAuthClient.id], set_=values))

    async def owned(self, client_id: str, owner_id: UUID, *, locked: bool = False) -> OAuthClient | None:
        statement = select(OAuthClient).where(OAuthClient.id == client_id, OAuthClient.owner_id == owner_id)
        if locked:
            # Sessions may refer to it meanwhile: its key does not change.
            statement = statement.with_for_update(key_share=True)
        return await self.one(statement.execution_options(populate_existing=True))

    async def remove_all(self, owner_id: UUID) -> None:
        """What a user has registered, with everything that was issued to it."""
        await self.execute(delete(OAuthClient).where(OAuthClient.owner_id == owner_id))

    async def count_of(self, owner_id: UUID) -> int:
        return int(
            await self.scalar(
                select(func.count()).select_from(OAuthClient).where(OAuthClient.owner_id == owner_id)
            )
        )


class SessionDAO(BaseDAO[OAuthSession]):
    model = OAuthSession

    async def lock_by_token(self, token_hash: bytes) -> OAuthSession | None:
        """The session that the refresh token belongs to, locked.

        Everything about a family happens under this lock; tokens are read after it is held.
        """
        owner = select(RefreshToken.session_id).where(RefreshToken.token_hash == token_hash).scalar_subquery()
        statement = select(OAuthSession).where(OAuthSession.id == owner).with_for_update()
        return await self.one(statement.execution_options(populate_existing=True))

    async def revoke(self, session_id: UUID, reason: Ending, at: datetime) -> bool:
        """Whether it was still alive."""
        statement = (
            update(OAuthSession)
            .where(OAuthSession.id == session_id, OAuthSession.revoked_at.is_(None))
            .values(revoked_at=at, revoked_reason=reason)
        )
        return await self.execute(statement) > 0

    async def revoke_all(self, user_id: UUID, client_id: str, reason: Ending, at: datetime) -> Sequence[UUID]:
        """The sessions of a user with a client that were still alive."""
        statement = (
            update(OAuthSession)
            .where(
                OAuthSession.user_id == user_id,
                OAuthSession.client_id == client_id,
                OAuthSession.revoked_at.is_(None),
            )
            .values(revoked_at=at, revoked_reason=reason)
            .returning(OAuthSession.id)
        )
        return [row.id for row in await self.rows(statement)]

    async def revoke_of(self, user_id: UUID, keep: UUID | None, reason: Ending, at: datetime) -> int:
        """All of a user but one; gives how many were still alive."""
        statement = (
            update(OAuthSession)
            .where(
                OAuthSession.user_id == user_id,
                OAuthSession.revoked_at.is_(None),
                OAuthSession.id.is_distinct_from(keep),
            )
            .values(revoked_at=at, revoked_reason=reason)
        )
        return await self.execute(statement)

    async def revoke_acting(
        self, acting_id: UUID, user_id: UUID | None, reason: Ending, at: datetime
    ) -> Sequence[Row[Any]]:
        """What a supporter looks at, or only one user's; rows of (id, user_id) that were still alive."""
        statement = update(OAuthSession).where(
            OAuthSession.acting_id == acting_id,
            OAuthSession.revoked_at.is_(None),
            OAuthSession.expires_at > at,
        )
        if user_id is not None:
            statement = statement.where(OAuthSession.user_id == user_id)
        values = statement.values(revoked_at=at, revoked_reason=reason)
        return await self.rows(values.returning(OAuthSession.id, OAuthSession.user_id))

    async def expire_acting(self, reason: Ending, at: datetime) -> Sequence[Row[Any]]:
        """End a batch of supporters' sessions that ran out unended, as of then; rows of what is known."""
        some = (
            select(OAuthSession.id)
            .where(_LOOKING, OAuthSession.expires_at <= at)
            .limit(500)
            .with_for_update(skip_locked=True)
        )
        statement = (
            update(OAuthSession)
            .where(OAuthSession.id.in_(some.scalar_subquery()))
            .values(revoked_at=OAuthSession.expires_at, revoked_reason=reason)
            .returning(
                OAuthSession.id,
                OAuthSession.user_id,
                OAuthSession.acting_id,
                OAuthSession.client_id,
                OAuthSession.expires_at,
            )
        )
        return await self.rows(statement)

    async def delete_expired(self, before: datetime) -> int:
        # Few at once: each takes all tokens of its family along. A supporter's has its end recorded first.
        return await self.delete_some(and_(OAuthSession.expires_at < before, ~_LOOKING), limit=500)


class RefreshTokenDAO(BaseDAO[RefreshToken]):
    model = RefreshToken

    async def by_hash(self, token_hash: bytes) -> RefreshToken | None:
        statement = select(RefreshToken).where(RefreshToken.token_hash == token_hash)
        return await self.one(statement.execution_options(populate_existing=True))

    async def delete_expired(self, before: datetime) -> int:
        return await self.delete_some(RefreshToken.expires_at < before)

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


class CodeDAO(BaseDAO[AuthorizationCode]):
    model = AuthorizationCode

    async def lock_by_hash(self, code_hash: bytes) -> AuthorizationCode | None:
        statement = select(AuthorizationCode).where(AuthorizationCode.code_hash == code_hash)
        return await self.one(statement.with_for_update().execution_options(populate_existing=True))

    async def drop_all(self, user_id: UUID) -> None:
        """Those of a user that nobody has exchanged yet."""
        await self.execute(
            delete(AuthorizationCode).where(
                AuthorizationCode.user_id == user_id, AuthorizationCode.used_at.is_(None)
            )
        )

    async def drop(self, user_id: UUID, client_id: str) -> None:
        await self.execute(
            delete(AuthorizationCode).where(
                AuthorizationCode.user_id == user_id, AuthorizationCode.client_id == client_id
            )
        )

    async def delete_expired(self, before: datetime) -> int:
        return await self.delete_some(AuthorizationCode.expires_at < before)


class ConsentDAO(BaseDAO[Consent]):
    model = Consent

    async def of(self, user_id: UUID, client_id: str) -> Consent | None:
        return await self.one(
            select(Consent).where(Consent.user_id == user_id, Consent.client_id == client_id)
        )

    async def owned(self, consent_id: UUID, user_id: UUID) -> Consent | None:
        return await self.one(select(Consent).where(Consent.id == consent_id, Consent.user_id == user_id))

    async def remember(self, **values: Any) -> None:
        statement = insert(Consent).values(**values)
        await self.execute(
            statement.on_conflict_do_update(
                index_elements=[Consent.user_id, Consent.client_id],
                set_={"scope": values["scope"], "updated_at": values["updated_at"]},
            )
        )


class PersonalTokenDAO(BaseDAO[PersonalToken]):
    model = PersonalToken

    async def owned(self, token_id: UUID, user_id: UUID) -> PersonalToken | None:
        return await self.one(
            select(PersonalToken).where(PersonalToken.id == token_id, PersonalToken.user_id == user_id)
        )

    async def remove_all(self, user_id: UUID) -> None:
        await self.execute(delete(PersonalToken).where(PersonalToken.user_id == user_id))

    async def count_of(self, user_id: UUID) -> int:
        return int(
            await self.scalar(
                select(func.count()).select_from(PersonalToken).where(PersonalToken.user_id == user_id)
            )
        )

    async def used(self, token_id: UUID, at: datetime, address: str | None) -> None:
        """Kept only when it is later than what another process wrote."""
        await self.execute(
            update(PersonalToken)
            .where(
                PersonalToken.id == token_id,
                or_(PersonalToken.last_used_at.is_(None), PersonalToken.last_used_at < at),
            )
            .values(last_used_at=at, last_used_address=address)
        )

    async def delete_expired(self, before: datetime) -> int:
        return await self.delete_some(PersonalToken.expires_at < before)


class SigningKeyDAO(BaseDAO[SigningKey]):
    model = SigningKey

    async def published(self, retired_after: datetime) -> Sequence[SigningKey]:
        """Newest first; a key that retired long ago signed nothing that is still valid."""
        return await self.all(
            select(SigningKey)
            .where(or_(SigningKey.retired_at.is_(None), SigningKey.retired_at > retired_after))
            .order_by(SigningKey.created_at.desc(), SigningKey.kid)
        )

    async def forget(self, retired_before: datetime) -> None:
        await self.execute(delete(SigningKey).where(SigningKey.retired_at < retired_before))
