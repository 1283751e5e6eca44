"""Token introspection (RFC 7662): to a client about its own tokens, to our own resource servers about all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Request
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from sqlalchemy.util import await_

from backend.database import now
from backend.oauth.clientauth import SECRET_METHODS
from backend.oauth.dao import RefreshTokenDAO, SessionDAO
from backend.oauth.models import OAuthClient
from backend.oauth.tokens import audience, digest
from backend.users.dao import UserDAO

if TYPE_CHECKING:
    from backend.oauth.server import TokenServer


@dataclass(frozen=True, slots=True)
class Inspected:
    kind: str
    session_id: UUID
    scope: str
    expires_at: float
    used: bool = False


class Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS: ClassVar[list[str]] = SECRET_METHODS
    server: TokenServer

    def check_params(self, request: OAuth2Request, client: OAuthClient) -> None:
        # The two kinds of token cannot be confused, so the hint is ignored, as §2.1 allows.
        if "token" not in request.form:
            raise InvalidRequestError("Missing 'token' in request.")

    def authenticate_token(self, request: OAuth2Request, client: OAuthClient) -> dict[str, Any] | None:
        self.check_params(request, client)
        return await_(self._look(request.form["token"], client))

    def create_introspection_payload(self, token: dict[str, Any] | None) -> dict[str, Any]:
        return token or {"active": False}

    async def _look(self, token: str, client: OAuthClient) -> dict[str, Any] | None:
        found = await self._find(token)
        if found is None or found.used or found.expires_at <= now().timestamp():
            return None
        session = self.server.session
        family = await SessionDAO(session).get(found.session_id)
        if family is None or family.revoked_at is not None or family.expires_at <= now():
            return None
        if not client.first_party and family.client_id != client.id:
            return None
        user = await UserDAO(session).get(family.user_id)
        if user is None or not user.is_active:
            return None
        return {
            "active": True,
            "scope": found.scope,
            "client_id": family.client_id,
            "token_type": found.kind,
            "exp": int(found.expires_at),
            "iat": int(family.created_at.timestamp()),
            "sub": str(family.user_id),
            "aud": audience(self.server.issuer),
            "iss": self.server.issuer,
        }

    async def _find(self, token: str) -> Inspected | None:
        claims = self.server.claims
        if claims is not None:
            return Inspected("Bearer", claims.session_id, claims.scope, claims.expires_at)
        session = self.server.session
        family = await SessionDAO(session).lock_by_token(digest(token))
        row = await RefreshTokenDAO(session).by_hash(digest(token)) if family else None
        if family is None or row is None:
            return None
        expires_at: datetime = row.expires_at
        return Inspected(
            "refresh_token", family.id, family.scope, expires_at.timestamp(), row.used_at is not None
        )
