"""From an access token to the person behind it, remembered for as long as nothing changed.

Verifying a signature costs about 200 µs and reading permissions a round trip; both are kept
by the token's digest. What the database announces on the channel `identity` is forgotten at
once, and while announcements may be missed nothing is remembered.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import orjson
from fastapi import FastAPI

from backend.context import Parts
from backend.exceptions import Unauthorized
from backend.oauth import personal, tokens
from backend.oauth.announcements import CHANNEL, EVERYONE, remembers
from backend.oauth.dao import read_identity, read_personal
from backend.oauth.keys import KeyRing, vault_of
from backend.oauth.limits import AttemptLimits
from backend.oauth.looks import Looks
from backend.oauth.scopes import APPLICATION_SCOPES, PERSONAL_SCOPES
from backend.oauth.turns import Turns
from backend.oauth.usage import Usage
from backend.roles.permissions import FULL_SCOPE, PROJECT_ROLES, VIEWABLE, within_scope
from backend.utils.addresses import Network
from backend.utils.pace import Pace

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
    scope: str = FULL_SCOPE
    """What the token was issued for."""
    networks: tuple[Network, ...] | None = None
    """Of a personal token: where it may come from; empty for anywhere. None for the tokens of sessions."""

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
    about: tuple[str, ...]
    """Whose announcements make it stale."""


class Identity:
    """The long-lived parts of signing in; one per application, see `identity_of`."""

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        self.settings = settings
        self.database = parts.database
        self.keys = KeyRing(parts.database, vault_of(settings))
        self.limits = AttemptLimits(settings)
        # The last of the free tries makes the next one wait already.
        self.turns = Turns(settings.guess_free_tries - 1)
        self.pace = Pace()
        self.looks = Looks(parts.database)
        self.usage = Usage(parts.database)
        self._notices = parts.notices
        self._verified: dict[bytes, tokens.AccessClaims] = {}
        self._kept: dict[bytes, _Kept] = {}
        self._digests: defaultdict[str, set[bytes]] = defaultdict(set)
        self._changes = 0
        parts.notices.on(CHANNEL, self.forget)
        parts.notices.on_gap(lambda: self.forget(EVERYONE))
        remembers(self)

    async def principal(self, token: str) -> Principal:
        """Raises `Unauthorized`: malformed, expired, revoked, or its user may no longer sign in."""
        digest = tokens.digest(token)
        kept = self._kept.get(digest)
        if kept is not None:
            if kept.until > time.time() and self._notices.connected:
                return kept.principal
            self._drop(digest)
        if token.startswith(personal.PREFIX):
            return await self._read_personal(digest, token)
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
        """`who` is the id of a user, a session, an application or a personal token, or `*`."""
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
        await self.usage.close()
        await self.limits.close()

    async def _verify(self, digest: bytes, token: str) -> tokens.AccessClaims:
        self._verified.pop(digest, None)
        claims = await self.claims(token)
        if claims is None:
            raise _invalid()
        if len(self._verified) >= REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = claims
        return claims

    async def _read(self, digest: bytes, claims: tokens.AccessClaims) -> Principal:
        changes = self._changes
        row = await read_identity(await self.database.reader(), claims.session_id, claims.user_id)
        if row is None:
            raise Unauthorized("The session has ended.", code="session_ended", headers=_CHALLENGE)
        permissions = within_scope(frozenset(row["permissions"]), claims.scope)
        if not row["first_party"]:
            permissions &= APPLICATION_SCOPES.intersection(row["scopes"])
        acting_id = UUID(row["acting_id"]) if row["acting_id"] else None
        if acting_id is not None:
            permissions &= VIEWABLE
        principal = Principal(
            user_id=claims.user_id,
            session_id=claims.session_id,
            client_id=claims.client_id,
            email=row["email"],
            permissions=permissions,
            projects=_projects(row),
            proved_at=row["proved_at"].timestamp(),
            acting_id=acting_id,
            scope=claims.scope,
        )
        about = [str(claims.user_id), str(claims.session_id)]
        about += [row[name] for name in ("acting_id", "owner_id") if row[name]]
        if row["owner_id"]:
            about.append(claims.client_id)
        self._keep(digest, principal, claims.expires_at, about, changes)
        return principal

    async def _read_personal(self, digest: bytes, token: str) -> Principal:
        changes = self._changes
        row = None
        if personal.is_whole(token):
            row = await read_personal(await self.database.reader(), digest)
        if row is None:
            raise _invalid()
        principal = Principal(
            user_id=UUID(row["user_id"]),
            session_id=UUID(row["id"]),
            client_id=personal.CLIENT,
            email=row["email"],
            permissions=within_scope(frozenset(row["permissions"]), row["scope"]) & PERSONAL_SCOPES,
            projects=_projects(row),
            scope=row["scope"],
            networks=tuple(ip_network(network) for network in row["networks"]),
        )
        expires_at = row["expires_at"].timestamp() if row["expires_at"] else math.inf
        self._keep(digest, principal, expires_at, [row["user_id"], row["id"]], changes)
        return principal

    def _keep(
        self, digest: bytes, principal: Principal, expires_at: float, about: list[str], changes: int
    ) -> None:
        # Something announced while the answer was under way may be missing from it.
        if not self._notices.connected or changes != self._changes:
            return
        if len(self._kept) >= REMEMBERED:
            self._drop(next(iter(self._kept)))
        self._kept[digest] = _Kept(principal, min(expires_at, time.time() + MAX_AGE), tuple(about))
        for who in about:
            self._digests[who].add(digest)

    def _drop(self, digest: bytes) -> None:
        kept = self._kept.pop(digest, None)
        if kept is None:
            return
        for who in kept.about:
            digests = self._digests.get(who)
            if digests is not None:
                digests.discard(digest)
                if not digests:
                    del self._digests[who]


def _projects(row: Any) -> dict[UUID, str]:
    found = orjson.loads(row["projects"]) if row["projects"] else {}
    return {UUID(project): role for project, role in found.items()}


def _invalid() -> Unauthorized:
    return Unauthorized(
        "The access token is not valid or has expired.", code="invalid_token", headers=_CHALLENGE
    )


def identity_of(app: FastAPI) -> Identity:
    identity = getattr(app.state, "identity", None)
    if identity is None:
        identity = app.state.identity = Identity(app.state.parts)
    return identity
