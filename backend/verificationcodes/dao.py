"""Statements over codes and links."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select

from backend.dao.base import BaseDAO
from backend.verificationcodes.models import VerificationCode


class VerificationCodeDAO(BaseDAO[VerificationCode]):
    model = VerificationCode

    async def by_token(
        self, token_digest: bytes, purposes: Sequence[str], at: datetime, *, lock: bool = False
    ) -> VerificationCode | None:
        statement = select(VerificationCode).where(
            VerificationCode.token_digest == token_digest,
            VerificationCode.purpose.in_(purposes),
            VerificationCode.expires_at > at,
        )
        return await self.one(statement.with_for_update() if lock else statement)

    async def of(
        self, purpose: str, subject: UUID, at: datetime, *, lock: bool = False
    ) -> VerificationCode | None:
        """The newest that is still good."""
        statement = (
            select(VerificationCode)
            .where(
                VerificationCode.purpose == purpose,
                VerificationCode.subject == subject,
                VerificationCode.expires_at > at,
            )
            .order_by(VerificationCode.id.desc())
            .limit(1)
        )
        if lock:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return await self.one(statement)

    async def held_for(self, purpose: str, target: str, at: datetime) -> UUID | None:
        """The subject that something good was sent about to this target."""
        statement = select(VerificationCode.subject).where(
            VerificationCode.purpose == purpose,
            VerificationCode.target == target,
            VerificationCode.expires_at > at,
        )
        found: UUID | None = await self.scalar(statement.limit(1))
        return found

    async def remove(self, subject: UUID, purposes: Sequence[str], target: str | None = None) -> int:
        """Those of a subject; with a target only those sent for it."""
        statement = delete(VerificationCode).where(
            VerificationCode.subject == subject, VerificationCode.purpose.in_(purposes)
        )
        if target is not None:
            statement = statement.where(VerificationCode.target == target)
        return await self.execute(statement)

    async def remove_expired(self, before: datetime, limit: int) -> int:
        oldest = (
            select(VerificationCode.id)
            .where(VerificationCode.expires_at < before)
            .order_by(VerificationCode.expires_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return await self.execute(delete(VerificationCode).where(VerificationCode.id.in_(oldest)))
