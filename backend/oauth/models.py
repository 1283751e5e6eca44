"""What the authorization server remembers. Tokens are kept as digests, private keys sealed."""

from __future__ import annotations

import hmac
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, false, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from backend.database import Base, Id, Timestamps, now
from backend.oauth.redirects import matches
from backend.roles.permissions import FULL_SCOPE


class OAuthClient(Timestamps, Base):
    """An application that may ask for tokens; which grants it may use is listed, never implied.

    One with an owner was registered by a customer, and its id is a UUID. One with a secret is
    confidential (RFC 6749 §2.1).
    """

    __tablename__ = "oauth_clients"
    __table_args__ = (Index(None, "owner_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    first_party: Mapped[bool] = mapped_column(default=False, server_default=false())
    grants: Mapped[list[str]] = mapped_column(ARRAY(String(100)))
    keep_refresh_in_cookie: Mapped[bool] = mapped_column(default=False, server_default=false())
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    redirect_uris: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(60)), default=list, server_default="{}")
    """All that a token of it may hold; the product's own clients are not bounded so."""
    secret_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    previous_secret_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    previous_secret_until: Mapped[datetime | None]
    """The secret before the present one is good until then."""

    @property
    def confidential(self) -> bool:
        return self.secret_hash is not None

    def knows(self, secret_hash: bytes) -> bool:
        """Whether it is the digest of the client's secret, or of the one before within its grace."""
        good = [self.secret_hash]
        if self.previous_secret_until is not None and self.previous_secret_until > now():
            good.append(self.previous_secret_hash)
        return any(one is not None and hmac.compare_digest(one, secret_hash) for one in good)

    # What Authlib asks of a client (`authlib.oauth2.rfc6749.ClientMixin`).
    def get_client_id(self) -> str:
        return self.id

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grants

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and "authorization_code" in self.grants

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return any(matches(registered, redirect_uri) for registered in self.redirect_uris)

    def get_default_redirect_uri(self) -> None:
        """There is none: the request names it, so that the code can be bound to it."""

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method != "none") == self.confidential

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """What is asked for, or all that may be; None when that is too much."""
        if self.first_party:
            return scope or FULL_SCOPE
        asked = scope.split() if scope else self.scopes
        return " ".join(dict.fromkeys(asked)) if asked and set(asked) <= set(self.scopes) else None


class Ending(StrEnum):
    """Why a session ended: codes, for the panel says them in the language of whoever reads."""

    ACCESS_REVOKED = "access_revoked"
    ACCOUNT_BLOCKED = "account_blocked"
    ADDRESS_RESTORED = "address_restored"
    CODE_REUSED = "code_reused"
    PASSWORD_CHANGED = "password_changed"
    PASSWORD_RESET = "password_reset"
    SIGNED_OUT = "signed_out"
    TOKEN_REUSED = "token_reused"
    VIEWING_ENDED = "viewing_ended"


class OAuthSession(Base):
    """One sign-in: the family of refresh tokens that descend from it."""

    __tablename__ = "oauth_sessions"
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "client_id"),
        Index(None, "expires_at"),
        Index(None, "acting_id"),
        Index(
            "ix_oauth_sessions_live",
            "user_id",
            "last_used_at",
            "id",
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    client_id: Mapped[str] = mapped_column(ForeignKey("oauth_clients.id", ondelete="CASCADE"))
    scope: Mapped[str] = mapped_column(Text, default="")
    user_agent: Mapped[str | None] = mapped_column(String(400))
    address: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    last_used_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    proved_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    """When the person last showed a secret; dangerous actions want that to be recent."""
    acting_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    """The supporter who looks at the account as its user sees it."""
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(40))

    tokens: Mapped[list[RefreshToken]] = relationship(back_populates="session", lazy="raise")


class RefreshToken(Base):
    """Good for one use. `used_at` stays, so that a second use is recognised as theft."""

    __tablename__ = "oauth_refresh_tokens"
    __table_args__ = (Index(None, "session_id"), Index(None, "expires_at"))

    id: Mapped[Id]
    session_id: Mapped[UUID] = mapped_column(ForeignKey("oauth_sessions.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    replaced_by: Mapped[UUID | None]

    session: Mapped[OAuthSession] = relationship(back_populates="tokens", lazy="raise")


class SigningKey(Base):
    """A key pair for access tokens; a retired one still verifies what it signed."""

    __tablename__ = "oauth_signing_keys"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    private_key: Mapped[str] = mapped_column(Text)
    public_jwk: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    retired_at: Mapped[datetime | None]


class AuthorizationCode(Base):
    """Good for one exchange within a minute; a used one stays, so that a second use is noticed."""

    __tablename__ = "oauth_codes"
    __table_args__ = (
        Index(None, "user_id", "client_id"),
        Index(None, "client_id"),
        Index(None, "session_id"),
        Index(None, "expires_at"),
    )

    id: Mapped[Id]
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("oauth_clients.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    redirect_uri: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    code_challenge: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    session_id: Mapped[UUID | None] = mapped_column(ForeignKey("oauth_sessions.id", ondelete="SET NULL"))
    """What was issued for it, to be ended if it comes again."""

    # What Authlib asks of a code (`authlib.oauth2.rfc6749.AuthorizationCodeMixin`, and of PKCE).
    code_challenge_method = "S256"

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


class Consent(Timestamps, Base):
    """What a user lets an application do, remembered so that the same is not asked again."""

    __tablename__ = "oauth_consents"
    __table_args__ = (
        UniqueConstraint("user_id", "client_id"),
        Index(None, "client_id"),
        Index(None, "user_id", "created_at", "id"),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    client_id: Mapped[str] = mapped_column(ForeignKey("oauth_clients.id", ondelete="CASCADE"))
    scope: Mapped[str] = mapped_column(Text)


class PersonalToken(Base):
    """A token that its user made by hand, for scripts: opaque, narrow, ended by deleting it."""

    __tablename__ = "oauth_personal_tokens"
    __table_args__ = (Index(None, "user_id", "created_at", "id"), Index(None, "expires_at"))

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    scope: Mapped[str] = mapped_column(Text)
    networks: Mapped[list[str]] = mapped_column(ARRAY(String(43)), default=list, server_default="{}")
    """CIDR; from elsewhere the token is refused. Empty: from anywhere."""
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    last_used_address: Mapped[str | None] = mapped_column(String(64))
