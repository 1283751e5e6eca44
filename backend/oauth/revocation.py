"""Token revocation (RFC 7009): any token of a session ends the whole session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Request
from authlib.oauth2.rfc7009 import RevocationEndpoint
from sqlalchemy.util import await_

from backend.oauth import sessions
from backend.oauth.clientauth import METHODS
from backend.oauth.dao import SessionDAO
from backend.oauth.models import Ending, OAuthClient
from backend.oauth.tokens import digest

if TYPE_CHECKING:
    from backend.oauth.server import TokenServer


@dataclass(frozen=True, slots=True)
class Revocable:
    session_id: UUID
    client_id: str

    def check_client(self, client: OAuthClient) -> bool:
        return self.client_id == client.id


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS: ClassVar[list[str]] = METHODS
    server: TokenServer

    def check_params(self, request: OAuth2Request, client: OAuthClient) -> None:
        # The two kinds of token cannot be confused, so the hint is ignored, as §2.1 allows.
        if "token" not in request.form:
            raise InvalidRequestError("Missing 'token' in request.")

    def query_token(self, token_string: str, token_type_hint: str | None) -> Revocable | None:
        claims = self.server.claims
        if claims is not None:
            return Revocable(claims.session_id, claims.client_id)
        family = await_(SessionDAO(self.server.session).lock_by_token(digest(token_string)))
        return Revocable(family.id, family.client_id) if family is not None else None

    def revoke_token(self, token: Revocable, request: OAuth2Request) -> None:
        await_(sessions.revoke(self.server.session, token.session_id, Ending.SIGNED_OUT))
        self.server.ended.append(token.session_id)
