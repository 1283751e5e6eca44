"""Sums over the ledger for the overviews."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select

from backend.billing.ledger.models import LedgerAccount, LedgerEntry, LedgerTransaction
from backend.dao.base import BaseDAO

_charged = case((LedgerTransaction.kind == "charge", 1), else_=-1) * LedgerTransaction.amount


class MoneyDAO(BaseDAO[LedgerTransaction]):
    model = LedgerTransaction

    async def spent(self, project_id: UUID, currency: str, since: datetime, until: datetime) -> int:
        """What was used in that time, with tax, less what was given back of it."""
        statement = select(func.coalesce(func.sum(_charged), 0)).where(
            LedgerTransaction.project_id == project_id,
            LedgerTransaction.kind.in_(("charge", "credit")),
            LedgerTransaction.currency == currency,
            # Nothing is posted before it came about.
            LedgerTransaction.posted_at >= since,
            LedgerTransaction.occurred_at >= since,
            LedgerTransaction.occurred_at < until,
        )
        return int(await self.scalar(statement))

    async def earned(self, since: datetime, until: datetime) -> dict[str, dict[str, int]]:
        """Currency → kind of the operator's account (`revenue`, `tax`) → what was posted to it."""
        statement = (
            select(LedgerAccount.currency, LedgerAccount.kind, func.sum(LedgerEntry.amount).label("amount"))
            .select_from(LedgerTransaction)
            .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
            .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
            .where(
                LedgerTransaction.posted_at >= since,
                LedgerTransaction.posted_at < until,
                LedgerAccount.kind.in_(("revenue", "tax")),
            )
            .group_by(LedgerAccount.currency, LedgerAccount.kind)
        )
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for row in await self.rows(statement):
            found[row.currency][row.kind] = int(row.amount)
        return found

    async def totals(self) -> dict[str, dict[str, Any]]:
        """Currency → what customers have, and what they owe."""
        balance = LedgerAccount.balance
        statement = (
            select(
                LedgerAccount.currency,
                func.sum(balance).filter(LedgerAccount.kind == "balance").label("balances_minor"),
                func.sum(balance).filter(LedgerAccount.kind == "held").label("held_minor"),
                func.sum(-balance).filter(LedgerAccount.kind == "due").label("due_minor"),
                func.count().filter(LedgerAccount.kind == "due", balance < 0).label("debtors"),
            )
            .where(LedgerAccount.project_id.is_not(None))
            .group_by(LedgerAccount.currency)
        )
        return {
            row.currency: {
                "balances_minor": int(row.balances_minor or 0),
                "held_minor": int(row.held_minor or 0),
                "due_minor": int(row.due_minor or 0),
                "debtors": row.debtors,
            }
            for row in await self.rows(statement)
        }
