"""From an access token to the person behind it, remembered for as long as nothing changed.

Verifying a signature costs about 200 µs and reading permissions a round trip; both are kept
by the token's digest. What the database announces on the channel `identity` is forgotten at
once, and while announcements may be missed nothing is remembered.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import orjson
from fastapi import FastAPI

from backend.context import Parts
from backend.exceptions import Unauthorized
from backend.oauth import tokens
from backend.oauth.announcements import CHANNEL, EVERYONE
from backend.oauth.dao import read_identity
from backend.oauth.keys import PURPOSE, KeyRing
from backend.oauth.limits import AttemptLimits
from backend.roles.permissions import PROJECT_ROLES, within_scope
from backend.utils.crypto import Vault

REMEMBERED = 10_000
"""Tokens at most; the oldest entry gives way."""
MAX_AGE = 30.0
"""Seconds after which an identity is read again in any case."""

_NOTHING: frozenset[str] = frozenset()
_CHALLENGE = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, and what they may do: the permissions are already narrowed by the token's scope."""

    user_id: UUID
    session_id: UUID
    client_id: str
    email: str
    permissions: frozenset[str]
    projects: Mapping[UUID, str]
    """Project id → the role held in it."""
    proved_at: float = 0.0
    """Unix time at which the person last showed a secret in this session."""
    acting_id: UUID | None = None
    """The supporter who looks at the account as its user sees it."""

    def project_ids(self, permission: str) -> tuple[UUID, ...]:
        """The projects in which the permission is held."""
        if permission not in self.permissions:
            return ()
        return tuple(
            project
            for project, role in self.projects.items()
            if permission in PROJECT_ROLES.get(role, _NOTHING)
        )

    def may(self, permission: str, project_id: UUID | None = None) -> bool:
        """Whether the permission is held at all or, with a project, in that one."""
        if permission not in self.permissions:
            return False
        if project_id is None:
            return True
        return permission in PROJECT_ROLES.get(self.projects.get(project_id, ""), _NOTHING)


@dataclass(frozen=True, slots=True)
class _Kept:
    principal: Principal
    until: float


class Identity:
    """The long-lived parts of signing in; one per application, see `identity_of`."""

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        self.settings = settings
        self.database = parts.database
        self.keys = KeyRing(parts.database, Vault(settings.master_key, PURPOSE))
        self.limits = AttemptLimits(settings)
        self._notices = parts.notices
        self._verified: dict[bytes, tokens.AccessClaims] = {}
        self._kept: dict[bytes, _Kept] = {}
        self._digests: defaultdict[str, set[bytes]] = defaultdict(set)
        self._changes = 0
        parts.notices.on(CHANNEL, self.forget)
        parts.notices.on_gap(lambda: self.forget(EVERYONE))

    async def principal(self, token: str) -> Principal:
        """Raises `Unauthorized`: malformed, expired, revoked, or its user may no longer sign in."""
        digest = tokens.digest(token)
        kept = self._kept.get(digest)
        if kept is not None:
            if kept.until > time.time() and self._notices.connected:
                return kept.principal
            self._drop(digest)
        claims = self._verified.get(digest)
        if claims is None or claims.expires_at <= time.time():
            claims = await self._verify(digest, token)
        return await self._read(digest, claims)

    async def claims(self, token: str) -> tokens.AccessClaims | None:
        """What a valid access token says, whether or not its session still lives."""
        if len(token) > tokens.MAX_LENGTH or (kid := tokens.key_id(token)) is None:
            return None
        key = await self.keys.find(kid)
        return tokens.verify(token, key, self.settings.panel_url) if key is not None else None

    def forget(self, who: str) -> None:
        """`who` is the id of a user or of a session, or `*`."""
        self._changes += 1
        if who == EVERYONE:
            self._kept.clear()
            self._digests.clear()
            self._verified.clear()
            self.keys.forget()
            return
        for digest in tuple(self._digests.get(who, ())):
            self._drop(digest)

    async def close(self) -> None:
        await self.limits.close()

    async def _verify(self, digest: bytes, token: str) -> tokens.AccessClaims:
        self._verified.pop(digest, None)
        claims = await self.claims(token)
        if claims is None:
            raise Unauthorized(
                "The access token is not valid or has expired.", code="invalid_token", headers=_CHALLENGE
            )
        if len(self._verified) >= REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = claims
        return claims

    async def _read(self, digest: bytes, claims: tokens.AccessClaims) -> Principal:
        changes = self._changes
        row = await read_identity(await self.database.reader(), claims.session_id, claims.user_id)
        if row is None:
            raise Unauthorized("The session has ended.", code="session_ended", headers=_CHALLENGE)
        projects = orjson.loads(row["projects"]) if row["projects"] else {}
        principal = Principal(
            user_id=claims.user_id,
            session_id=claims.session_id,
            client_id=claims.client_id,
            email=row["email"],
            permissions=within_scope(frozenset(row["permissions"]), claims.scope),
            projects={UUID(project): role for project, role in projects.items()},
            proved_at=row["proved_at"].timestamp(),
            acting_id=row["acting_id"],
        )
        # Something announced while the answer was under way may be missing from it.
        if self._notices.connected and changes == self._changes:
            self._keep(digest, _Kept(principal, min(claims.expires_at, time.time() + MAX_AGE)))
        return principal

    def _keep(self, digest: bytes, kept: _Kept) -> None:
        if len(self._kept) >= REMEMBERED:
            self._drop(next(iter(self._kept)))
        self._kept[digest] = kept
        for who in (kept.principal.user_id, kept.principal.session_id):
            self._digests[str(who)].add(digest)

    def _drop(self, digest: bytes) -> None:
        kept = self._kept.pop(digest, None)
        if kept is None:
            return
        for who in (str(kept.principal.user_id), str(kept.principal.session_id)):
            digests = self._digests.get(who)
            if digests is not None:
                digests.discard(digest)
                if not digests:
                    del self._digests[who]


def identity_of(app: FastAPI) -> Identity:
    identity = getattr(app.state, "identity", None)
    if identity is None:
        identity = app.state.identity = Identity(app.state.parts)
    return identity
