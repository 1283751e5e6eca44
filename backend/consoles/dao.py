"""Statements over consoles."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, or_, select, update

from backend.consoles.models import Console
from backend.dao.base import BATCH, BaseDAO
from backend.services.models import Service

GONE_SECONDS = 90
"""Whoever serves a console says so more often."""


class ConsoleDAO(BaseDAO[Console]):
    model = Console

    async def by_ticket(self, ticket_hash: bytes) -> Console | None:
        """Under lock."""
        statement = select(Console).where(Console.ticket_hash == ticket_hash).with_for_update()
        return await self.one(statement.execution_options(populate_existing=True))

    async def used_by(self, user_id: UUID, at: datetime) -> int:
        """How many are open, or may be."""
        is_open = and_(
            Console.opened_at.is_not(None),
            Console.closed_at.is_(None),
            Console.seen_at > at - timedelta(seconds=GONE_SECONDS),
        )
        may_be = and_(Console.opened_at.is_(None), Console.expires_at > at)
        statement = select(func.count()).where(Console.user_id == user_id, or_(is_open, may_be))
        counted: int = await self.scalar(statement)
        return counted

    async def touch(self, console_id: UUID, at: datetime) -> None:
        await self.execute(
            update(Console).where(Console.id == console_id, Console.closed_at.is_(None)).values(seen_at=at)
        )

    async def close(self, console_id: UUID, ended: str, at: datetime) -> Row[Any] | None:
        """(opened_at, user_id, session_id, service_id, name, project_id) of one that was open till now."""
        closed = (
            update(Console)
            .where(Console.id == console_id, Console.opened_at.is_not(None), Console.closed_at.is_(None))
            .values(closed_at=at, ended=ended)
            .returning(
                Console.opened_at,
                Console.user_id,
                Console.session_id,
                Console.service_id,
                Console.process,
                Console.replica,
            )
            .cte("closed")
        )
        statement = select(closed, Service.name, Service.project_id).join(
            Service, Service.id == closed.c.service_id
        )
        return await self.row(statement)

    async def left_open(self, at: datetime) -> Sequence[Row[Any]]:
        """(id, seen_at) of those that nobody serves any more."""
        statement = (
            select(Console.id, Console.seen_at)
            .where(
                Console.opened_at.is_not(None),
                Console.closed_at.is_(None),
                Console.seen_at < at - timedelta(seconds=GONE_SECONDS),
            )
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        return await self.rows(statement)
