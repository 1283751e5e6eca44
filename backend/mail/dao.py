"""Statements over letters: claiming under lease and fence, relaying, ending, forgetting."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, case, delete, func, or_, select, update

from backend.dao.base import BaseDAO
from backend.database import now
from backend.mail.models import Letter, LetterState

UNSENT = (LetterState.QUEUED, LetterState.HELD)


class LetterDAO(BaseDAO[Letter]):
    model = Letter

    async def claim(self, letter_id: UUID, lease: timedelta) -> Row[Any] | None:
        """Make the letter ours to send, unless it is not due or somebody else has it."""
        moment = now()
        due = (
            select(Letter.id)
            .where(
                Letter.id == letter_id,
                Letter.state == LetterState.QUEUED,
                Letter.due_at <= moment,
                Letter.content.is_not(None),
            )
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        statement = (
            update(Letter)
            .where(Letter.id == due)
            .values(
                state=LetterState.SENDING,
                attempts=Letter.attempts + 1,
                lease_until=moment + lease,
            )
            .returning(
                Letter.id,
                Letter.channel,
                Letter.template,
                Letter.locale,
                Letter.recipient,
                Letter.content,
                Letter.attempts,
            )
        )
        return await self.row(statement)

    async def settle(self, letter_id: UUID, attempts: int, **values: Any) -> bool:
        """Write how the attempt ended, if the letter is still ours."""
        touched = await self.execute(
            update(Letter)
            .where(Letter.id == letter_id, Letter.attempts == attempts, Letter.state == LetterState.SENDING)
            .values(lease_until=None, **values)
        )
        return bool(touched)

    async def postpone(self, channel: str, until: datetime) -> None:
        """Let the letters of a channel wait while its server is away."""
        await self.execute(
            update(Letter)
            .where(
                Letter.content.is_not(None),
                Letter.state == LetterState.QUEUED,
                Letter.channel == channel,
                Letter.due_at < until,
            )
            .values(due_at=until, published_at=None)
        )

    async def hold(self, letter_id: UUID) -> None:
        await self.execute(
            update(Letter)
            .where(Letter.id == letter_id, Letter.state == LetterState.QUEUED)
            .values(state=LetterState.HELD)
        )

    async def channel_of(self, letter_id: UUID) -> str | None:
        channel: str | None = await self.scalar(select(Letter.channel).where(Letter.id == letter_id))
        return channel

    async def release(self, channels: Collection[str]) -> int:
        """Queue what was held for want of a server that is there now."""
        return await self.execute(
            update(Letter)
            .where(
                Letter.content.is_not(None),
                Letter.state == LetterState.HELD,
                Letter.channel.in_(channels),
            )
            .values(state=LetterState.QUEUED, due_at=now(), published_at=None)
        )

    async def take_back(self, most_attempts: int) -> Sequence[Row[Any]]:
        """Queue again what is being sent by nobody any more; give up what was tried often enough."""
        given_up = Letter.attempts >= most_attempts
        return await self.rows(
            update(Letter)
            .where(
                Letter.content.is_not(None),
                Letter.state == LetterState.SENDING,
                Letter.lease_until < now(),
            )
            .values(
                state=case((given_up, LetterState.FAILED), else_=LetterState.QUEUED),
                error_code="sender_lost",
                error=None,
                lease_until=None,
                published_at=None,
            )
            .returning(Letter.id, Letter.attempts)
        )

    async def expire(self, before: datetime, limit: int) -> int:
        """Erase what is in old letters; those that were not sent by now never will be."""
        unsent = Letter.state.in_(UNSENT)
        old = (
            select(Letter.id)
            .where(
                Letter.content.is_not(None),
                Letter.state.in_((*UNSENT, LetterState.FAILED)),
                Letter.created_at < before,
            )
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return await self.execute(
            update(Letter)
            .where(Letter.id.in_(old.scalar_subquery()))
            .values(
                state=LetterState.FAILED,
                content=None,
                error_code=case((unsent, "too_old"), else_=Letter.error_code),
            )
        )

    async def unpublished(self, least: timedelta, most: timedelta, limit: int) -> Sequence[Row[Any]]:
        """Mark and return letters that are due and were not (or too long ago) given to the broker."""
        moment = now()
        patience = func.least(most, func.greatest(least, Letter.published_at - Letter.due_at))
        due = (
            select(Letter.id)
            .where(
                Letter.content.is_not(None),
                Letter.state == LetterState.QUEUED,
                Letter.due_at <= moment,
                or_(Letter.published_at.is_(None), Letter.published_at < moment - patience),
            )
            .order_by(Letter.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return await self.rows(
            update(Letter)
            .where(Letter.id.in_(due.scalar_subquery()))
            .values(published_at=moment)
            .returning(Letter.id)
        )

    async def delete_sent_before(self, moment: datetime, limit: int) -> int:
        old = (
            select(Letter.id)
            .where(Letter.created_at < moment, Letter.content.is_(None))
            .order_by(Letter.created_at, Letter.id)
            .limit(limit)
        )
        return await self.execute(delete(Letter).where(Letter.id.in_(old.scalar_subquery())))

    async def forget(self, user_id: UUID) -> None:
        """Every letter to a user, sent or not: the account is being deleted."""
        await self.execute(delete(Letter).where(Letter.user_id == user_id))
