"""Statements over users."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from backend.dao.base import BaseDAO
from backend.users.models import User


class UserDAO(BaseDAO[User]):
    model = User

    async def by_email(self, email: str) -> User | None:
        """`email` as `backend.users.emails.normalise` gives it."""
        return await self.one(select(User).where(User.email == email))

    async def create(self, **values: Any) -> User | None:
        """None when somebody has this e-mail already, even since a moment ago."""
        statement = (
            insert(User).values(**values).on_conflict_do_nothing(index_elements=[User.email]).returning(User)
        )
        return await self.scalar(statement)

    async def store_hash(self, user_id: UUID, old: str, new: str) -> None:
        """Only over the hash that was verified, lest a password changed meanwhile come back."""
        await self.execute(
            update(User).where(User.id == user_id, User.password_hash == old).values(password_hash=new)
        )
