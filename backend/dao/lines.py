"""Statements over lines that came one after another: of a deployment's log, of a run of a cron job."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import func, insert, select

from backend.dao.base import BaseDAO
from backend.database import Base


class LineDAO(BaseDAO[Any]):
    """A subclass names the table, its column of what the lines are of, and whom to notify of new ones."""

    model: ClassVar[type[Base]]
    owner: ClassVar[str]
    channel: ClassVar[str]

    def _of(self, owner_id: UUID) -> Any:
        return getattr(self.model, self.owner) == owner_id

    @property
    def _lines(self) -> Any:
        return self.model

    async def last_seq(self, owner_id: UUID) -> int:
        statement = select(func.coalesce(func.max(self._lines.seq), 0))
        last: int = await self.scalar(statement.where(self._of(owner_id)))
        return last

    async def count_after(self, owner_id: UUID, seq: int, ours: str) -> int:
        """Lines behind `seq`, without those that say `ours`."""
        behind = (self._of(owner_id), self._lines.seq > seq)
        count: int = await self.scalar(select(func.count()).where(*behind, self._lines.text != ours))
        return count

    async def append(self, rows: list[dict[str, Any]]) -> None:
        await self.execute(insert(self.model), rows)
        await self.notify(self.channel, str(rows[0][self.owner]))

    async def after(self, owner_id: UUID, seq: int, size: int) -> list[dict[str, Any]]:
        """`[{"seq", "at", "text"}]` behind `seq`, at most `size`."""
        lines = self._lines
        statement = (
            select(lines.seq, lines.at, lines.text)
            .where(self._of(owner_id), lines.seq > seq)
            .order_by(lines.seq)
            .limit(size)
        )
        return [dict(row._mapping) for row in await self.rows(statement)]
