"""Statements over users."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from backend.dao.base import BaseDAO
from backend.users.models import KNOWN, From, SignIn, User


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

    async def move(self, user_id: UUID, email: str, at: datetime) -> bool:
        """Give the user this address, which has just proved itself; False when somebody else has it."""
        statement = update(User).where(User.id == user_id).values(email=email, email_verified_at=at)
        try:
            async with self.session.begin_nested():
                await self.execute(statement)
        except IntegrityError:
            return False
        return True


class SignInDAO(BaseDAO[SignIn]):
    model = SignIn

    async def knows(self, user_id: UUID, whence: From) -> bool:
        """Whether somebody came in since then from this browser, or from there with such a device."""
        like = select(SignIn.id).where(SignIn.user_id == user_id, KNOWN).limit(1)
        return await self.scalar(like, whence) is not None

    async def has_come(self, user_id: UUID) -> bool:
        done = (SignIn.user_id == user_id, SignIn.result == "done")
        return await self.scalar(select(SignIn.id).where(*done).limit(1)) is not None

    async def prune(self, before: datetime, limit: int) -> int:
        old = select(SignIn.id).where(SignIn.created_at < before).order_by(SignIn.created_at).limit(limit)
        return await self.execute(delete(SignIn).where(SignIn.id.in_(old.scalar_subquery())))
