"""Users: who may sign in."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, String, true
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, Timestamps

LOCALES = ("en", "ru")


class User(Timestamps, Base):
    """`email` is kept as `backend.users.emails.normalise` gives it, so plain uniqueness ignores case."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("locale IN ('en', 'ru')", name="locale"),)

    id: Mapped[Id]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(255))
    locale: Mapped[str] = mapped_column(String(8), default="en", server_default="en")
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
