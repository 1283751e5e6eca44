"""Access tokens: JWT by RFC 9068 (`at+jwt`, ES256). Refresh tokens: 256 random bits."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

ALGORITHM = "ES256"
MAX_LENGTH = 4096
"""Characters; ours have about 900, a longer one is not looked at."""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    user_id: UUID
    session_id: UUID
    client_id: str
    scope: str
    expires_at: float


def audience(issuer: str) -> str:
    return f"{issuer}/api/v1"


def new_refresh_token(**_: Any) -> str:
    return secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """What is stored of a token; it has enough entropy of its own to need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class TokenGenerator(JWTBearerTokenGenerator):
    """Authlib's generator, bound to one key, one session and the installation's lifetime."""

    def __init__(
        self, issuer: str, key: ECKey, lifetime: int, session_id: UUID, *, acting_id: UUID | None = None
    ) -> None:
        super().__init__(issuer, ALGORITHM, new_refresh_token, lifetime)
        self._keys = KeySet([key])
        self._extra: dict[str, Any] = {"sid": str(session_id)}
        if acting_id is not None:
            # Who uses the token in the place of its subject (RFC 8693 §4.1).
            self._extra["act"] = {"sub": str(acting_id)}

    def get_jwks(self) -> KeySet:
        # A set, not the key: only then does the header name the `kid`.
        return self._keys

    def get_audiences(self, client: Any, user: Any, scope: str) -> str:
        return audience(self.issuer)

    def get_extra_claims(self, client: Any, grant_type: str, user: Any, scope: str) -> dict[str, Any]:
        return self._extra


def key_id(token: str) -> str | None:
    """The `kid` that the header claims; nothing is verified yet."""
    try:
        head = token.partition(".")[0]
        header = orjson.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
        kid = header["kid"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
    return kid if isinstance(kid, str) else None


def verify(token: str, key: ECKey, issuer: str) -> AccessClaims | None:
    """The claims of a valid access token of this installation, else None."""
    try:
        decoded = jwt.decode(token, key, algorithms=[ALGORITHM])
        claims = decoded.claims
        if decoded.header.get("typ") != "at+jwt":
            return None
        if claims["iss"] != issuer or claims["aud"] != audience(issuer):
            return None
        expires_at = float(claims["exp"])
        if expires_at <= time.time():
            return None
        return AccessClaims(
            user_id=UUID(claims["sub"]),
            session_id=UUID(claims["sid"]),
            client_id=str(claims["client_id"]),
            scope=str(claims["scope"]),
            expires_at=expires_at,
        )
    except (JoseError, KeyError, ValueError, TypeError, AttributeError):
        return None
