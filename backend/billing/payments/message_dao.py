"""Statements over gateways' messages and bank lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from backend.billing.payments.message_models import (
    BankLine,
    BankReference,
    GatewayMessage,
    LineState,
    MessageState,
)
from backend.dao.base import BaseDAO
from backend.database import now


class MessageDAO(BaseDAO[GatewayMessage]):
    model = GatewayMessage

    async def keep(self, **values: Any) -> UUID | None:
        """None for one that was received before, which is counted."""
        new: UUID | None = await self.scalar(
            insert(GatewayMessage)
            .values(**values)
            .on_conflict_do_nothing(index_elements=["gateway", "event_id"])
            .returning(GatewayMessage.id)
        )
        if new is None:
            same = (
                GatewayMessage.gateway == values["gateway"],
                GatewayMessage.event_id == values["event_id"],
            )
            again = update(GatewayMessage).where(*same)
            await self.execute(again.values(copies=GatewayMessage.copies + 1))
        return new

    async def due(self, limit: int) -> list[UUID]:
        """Take those that nobody has applied yet, each time for longer."""
        waiting = (
            select(GatewayMessage.id)
            .where(GatewayMessage.state == MessageState.RECEIVED, GatewayMessage.next_try_at <= now())
            .order_by(GatewayMessage.next_try_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        later = literal(now()) + func.make_interval(
            0, 0, 0, 0, 0, 0, func.least(3600, 30 * func.power(2, func.least(GatewayMessage.attempts, 7)))
        )
        taken = update(GatewayMessage).where(GatewayMessage.id.in_(waiting.scalar_subquery()))
        values = {"next_try_at": later, "attempts": GatewayMessage.attempts + 1}
        return [row.id for row in await self.rows(taken.values(values).returning(GatewayMessage.id))]


class BankLineDAO(BaseDAO[BankLine]):
    model = BankLine

    async def known(self, digests: Sequence[bytes]) -> set[bytes]:
        rows = await self.rows(select(BankLine.digest).where(BankLine.digest.in_(digests)))
        return {row.digest for row in rows}

    async def not_given(self, digests: Sequence[bytes]) -> list[UUID]:
        """Those that are stored, and that nobody has looked at."""
        waiting = (BankLine.state == LineState.UNMATCHED, BankLine.reason_code == "not_given")
        mine = select(BankLine.id).where(BankLine.digest.in_(digests), *waiting)
        return [row.id for row in await self.rows(mine.order_by(BankLine.id))]


class BankReferenceDAO(BaseDAO[BankReference]):
    model = BankReference

    async def projects(self, references: Sequence[str]) -> dict[str, UUID]:
        rows = await self.rows(
            select(BankReference.reference, BankReference.project_id).where(
                BankReference.reference.in_(references)
            )
        )
        return {row.reference: row.project_id for row in rows}

    async def make(self, project_id: UUID, reference: str) -> bool:
        """False if it is another project's already."""
        made = insert(BankReference).values(project_id=project_id, reference=reference, created_at=now())
        return bool(await self.execute(made.on_conflict_do_nothing()))
