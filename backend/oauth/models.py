"""What the authorization server remembers. Tokens are kept as digests, private keys sealed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, false, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from backend.database import Base, Id, now
from backend.roles.permissions import FULL_SCOPE


class OAuthClient(Base):
    """An application that may ask for tokens; which grants it may use is listed, never implied."""

    __tablename__ = "oauth_clients"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    first_party: Mapped[bool] = mapped_column(default=False, server_default=false())
    grants: Mapped[list[str]] = mapped_column(ARRAY(String(40)))
    keep_refresh_in_cookie: Mapped[bool] = mapped_column(default=False, server_default=false())

    # What Authlib asks of a client (`authlib.oauth2.rfc6749.ClientMixin`).
    def get_client_id(self) -> str:
        return self.id

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grants

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "none"

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or FULL_SCOPE


class OAuthSession(Base):
    """One sign-in: the family of refresh tokens that descend from it."""

    __tablename__ = "oauth_sessions"
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "client_id"),
        Index(None, "expires_at"),
        Index(None, "acting_id"),
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
    __table_args__ = (Index(None, "session_id"),)

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
