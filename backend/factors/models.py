"""Second factors: an authenticator app's secret, recovery codes, passkeys; and what is under way."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Label,
    LargeBinary,
    String,
    Text,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, now


class TotpSecret(Base):
    """`secret` is sealed. `last_step` is the latest time step whose code was taken (RFC 6238 §5.2)."""

    __tablename__ = "totp_secrets"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    confirmed_at: Mapped[datetime | None]
    """None until the app has shown a right code: it protects nothing yet."""
    last_step: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    last_used_at: Mapped[datetime | None]


class RecoveryCode(Base):
    """`code_hash` is keyed: fifty bits alone would not outlast a stolen database."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index(None, "user_id", "code_hash", unique=True),)

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    used_at: Mapped[datetime | None]


class Passkey(Base):
    __tablename__ = "passkeys"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1023), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    transports: Mapped[list[str]] = mapped_column(ARRAY(String(20)))
    synced: Mapped[bool]
    """Kept by a password manager on several devices, rather than in one piece of hardware."""
    name: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    last_used_at: Mapped[datetime | None]


class Challenge(Base):
    """A WebAuthn challenge that was given out; it goes with the first answer to it."""

    __tablename__ = "webauthn_challenges"
    __table_args__ = (
        CheckConstraint("purpose IN ('register', 'sign_in', 'second_step', 'proof')", name="purpose"),
        Index(None, "expires_at"),
        Index(None, "user_id"),
    )

    challenge_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime]


class SecondStep(Base):
    """A sign-in whose password was right, waiting for the second factor."""

    __tablename__ = "second_steps"
    __table_args__ = (Index(None, "expires_at"), Index(None, "user_id"))

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    client_id: Mapped[str] = mapped_column(String(64))
    network: Mapped[str] = mapped_column(String(64))
    scope: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    expires_at: Mapped[datetime]


def standing_of(whose: ColumnElement[UUID]) -> tuple[Label[Any], ...]:
    """Columns `totp`, `passkeys`, `recovery_codes` of a user: whether, and how many."""
    return (
        select(TotpSecret.user_id)
        .where(TotpSecret.user_id == whose, TotpSecret.confirmed_at.is_not(None))
        .exists()
        .label("totp"),
        select(func.count())
        .select_from(Passkey)
        .where(Passkey.user_id == whose)
        .scalar_subquery()
        .label("passkeys"),
        select(func.count())
        .select_from(RecoveryCode)
        .where(RecoveryCode.user_id == whose, RecoveryCode.used_at.is_(None))
        .scalar_subquery()
        .label("recovery_codes"),
    )
