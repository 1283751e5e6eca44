"""A project's money for tests: moves in a transaction of their own each, and what they left."""

from __future__ import annotations

import uuid
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from backend.billing.ledger import moves, standing
from backend.billing.ledger.about import About, Posted
from backend.billing.ledger.models import LedgerAccount, LedgerEntry
from backend.billing.ledger.standing import Standing
from backend.database import Database

ABOUT = About("test", "test")


class Purse:
    def __init__(self, database: Database, project_id: UUID, currency: str = "EUR") -> None:
        self.database, self.project_id, self.currency = database, project_id, currency

    async def standing(self) -> Standing:
        async with self.database.transaction() as session:
            return (await standing.of(session, self.project_id, self.currency))[0]

    async def three(self) -> tuple[int, int, int]:
        """Balance, held, due."""
        present = await self.standing()
        return present.balance, present.held, present.due

    async def top_up(self, amount: int, **more: Any) -> Posted:
        return await self._move(moves.top_up, amount, gateway="manual", **more)

    async def bonus(self, amount: int, **more: Any) -> Posted:
        return await self._move(moves.bonus, amount, **more)

    async def hold(self, amount: int, **more: Any) -> Posted:
        return await self._move(moves.hold, amount, **more)

    async def release(self, amount: int, **more: Any) -> Posted:
        return await self._move(moves.release, amount, **more)

    async def charge(self, net: int, tax: int = 0, **more: Any) -> Posted:
        return await self._move(moves.charge, net, tax, **more)

    async def credit(self, net: int, tax: int = 0, **more: Any) -> Posted:
        return await self._move(moves.credit, net, tax, **more)

    async def pay_back(self, amount: int, **more: Any) -> Posted:
        return await self._move(moves.pay_back, amount, gateway="manual", **more)

    async def adjust(self, amount: int, **more: Any) -> Posted:
        return await self._move(moves.adjust, amount, **more)

    async def operator(self, kind: str, name: str = "") -> int:
        """What the entries of an account of the operator's sum to."""
        async with self.database.transaction() as session:
            found = await session.execute(
                select(func.coalesce(func.sum(LedgerEntry.amount), 0))
                .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
                .where(
                    LedgerAccount.project_id.is_(None),
                    LedgerAccount.currency == self.currency,
                    LedgerAccount.kind == kind,
                    LedgerAccount.name == name,
                )
            )
            return int(found.scalar_one())

    async def _move(self, how: Any, *amounts: int, key: str | None = None, **more: Any) -> Posted:
        values = {"key": key or f"test:{uuid.uuid4()}", "about": ABOUT, **more}
        async with self.database.transaction() as session:
            posted: Posted = await how(session, self.project_id, self.currency, *amounts, **values)
            return posted
