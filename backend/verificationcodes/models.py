"""Codes and links that prove who reads a mailbox or holds a phone."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, SmallInteger, String, func
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, now


class VerificationCode(Base):
    """Good for one use, then the row is gone. Only digests are kept: of the link's token, of the code."""

    __tablename__ = "verification_codes"
    __table_args__ = (
        Index(None, "purpose", "subject"),
        Index(None, "purpose", "target"),
        Index(None, "expires_at"),
    )

    id: Mapped[Id]
    purpose: Mapped[str] = mapped_column(String(40))
    subject: Mapped[UUID]
    """Whom it is about: a user's id. No foreign key, so that other things can be confirmed as well."""
    target: Mapped[str | None] = mapped_column(String(254))
    """The address or number that it was sent for, where that is not yet the subject's own."""
    token_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    code_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    tries_left: Mapped[int] = mapped_column(SmallInteger)
    created_at: Mapped[datetime] = mapped_column(default=now, server_default=func.now())
    expires_at: Mapped[datetime]
