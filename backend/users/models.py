"""Users: who may sign in, and who did."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, Timestamps, now

LOCALES = ("en", "ru")
WORDS: ColumnElement[str] = literal_column(
    "to_tsvector('simple'::regconfig, translate((email::text || ' '::text) || name::text, "
    "'@.+-_/'::text, '      '::text))"
)
"""The parts of address and name, by whose beginnings administrators find people.

The embedded PostgreSQL comes without pg_trgm, so that a part in the middle of a word finds nothing.
"""


class User(Timestamps, Base):
    """`email` is kept as `backend.users.emails.normalise` gives it, so plain uniqueness ignores case."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("locale IN ('en', 'ru')", name="locale"),
        Index(None, "created_at", "id"),
        Index(None, "name", "id"),
        Index("ix_users_blocked", "created_at", "id", postgresql_where=text("NOT is_active")),
        Index("ix_users_words", WORDS, postgresql_using="gin"),
    )

    id: Mapped[Id]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    email_verified_at: Mapped[datetime | None]
    phone: Mapped[str | None] = mapped_column(String(16))
    """A number that answered a code, in E.164."""
    name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(255))
    locale: Mapped[str] = mapped_column(String(8), default="en", server_default="en")
    time_zone: Mapped[str | None] = mapped_column(String(64))
    """A name of the IANA database; without one the panel shows times as the device does."""
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    blocked_at: Mapped[datetime | None]
    blocked_reason: Mapped[str | None] = mapped_column(String(500))
    """What the person was told when the account was blocked."""


class SignIn(Base):
    """A try to come in, right or wrong. One at an account that is not there has no user."""

    __tablename__ = "sign_ins"
    __table_args__ = (
        CheckConstraint("result IN ('done', 'refused')", name="result"),
        Index(None, "user_id", "created_at", "id"),
        Index(None, "created_at"),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    result: Mapped[str] = mapped_column(String(10))
    method: Mapped[str] = mapped_column(String(20))
    client_id: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    network: Mapped[str] = mapped_column(String(64))
    device: Mapped[str | None] = mapped_column(String(80))
    """Browser and system in words."""
    device_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    """Digest of the cookie by which the panel knows a browser again."""


KNOWN = and_(
    SignIn.created_at > bindparam("since"),
    SignIn.result == "done",
    or_(
        # Of a browser that shows no cookie this is null, and never true.
        SignIn.device_hash == bindparam("device_hash"),
        and_(SignIn.network == bindparam("network"), SignIn.device.is_not_distinct_from(bindparam("device"))),
    ),
)
"""Rows of those who came in from this browser, or from there with such a device; see `From`."""


class From(TypedDict):
    """Values for `KNOWN`."""

    since: datetime
    device_hash: bytes | None
    network: str
    device: str | None
