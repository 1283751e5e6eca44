"""Writing one transaction with its entries: once per key, under the lock of the project's accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actor import current
from backend.billing.ledger import standing
from backend.billing.ledger.about import About, Posted
from backend.billing.ledger.accounts import Account, of_project
from backend.billing.ledger.dao import TransactionsDAO
from backend.billing.money import LARGEST
from backend.database import now
from backend.utils.ids import new_id


class KeyReused(Exception):
    """A key was posted before with something else: whoever makes the keys makes a mistake."""


@dataclass(frozen=True, slots=True)
class Draft:
    key: str
    kind: str
    project_id: UUID
    currency: str
    amount: int
    about: About

    def __post_init__(self) -> None:
        if not 0 < self.amount <= LARGEST:
            raise ValueError(f"not an amount to post: {self.amount}")


async def post(session: AsyncSession, draft: Draft, entries: Mapping[Account, int]) -> Posted:
    """The caller holds the lock. Entries of nothing are left out."""
    values = _values(draft, entries)
    if await TransactionsDAO(session).post(values):
        return Posted(values["id"], repeated=False)
    earlier = await before(session, draft)
    assert earlier is not None
    return earlier


async def post_covered(session: AsyncSession, draft: Draft, entries: Mapping[Account, int]) -> Posted | None:
    """Lock and post at once what the project's money covers, with nothing due.

    None for whatever else: the caller takes the lock, and looks.
    """
    values = _values(draft, entries)
    values["own"] = [account.id for account in of_project(draft.project_id, draft.currency)]
    values["others"] = [
        account.id for account, amount in entries.items() if amount and not account.project_id
    ]
    values["usual_limit"] = standing.usual_limit(draft.currency)
    written = await TransactionsDAO(session).post_covered(values)
    return Posted(values["id"], repeated=False) if written else None


def _values(draft: Draft, entries: Mapping[Account, int]) -> dict[str, Any]:
    at, actor, about = now(), current(), draft.about
    moved = {account.id: amount for account, amount in entries.items() if amount}
    return {
        "id": new_id(),
        "key": draft.key,
        "kind": draft.kind,
        "project_id": draft.project_id,
        "currency": draft.currency,
        "amount": draft.amount,
        "occurred_at": about.occurred_at or at,
        "posted_at": at,
        "origin": about.kind,
        "code": about.code,
        "parameters": about.parameters,
        "service_id": about.service_id,
        "source_type": about.source_type,
        "source_id": about.source_id,
        "user_id": actor.user_id,
        "acting_id": actor.acting_id,
        "accounts": list(moved),
        "amounts": list(moved.values()),
    }


async def before(session: AsyncSession, draft: Draft) -> Posted | None:
    """What the key was posted as. Raises `KeyReused` if that was something else."""
    row = await TransactionsDAO(session).of_key(draft.key)
    if row is None:
        return None
    if (row.kind, row.project_id, row.currency, row.amount) != (
        *(draft.kind, draft.project_id, draft.currency, draft.amount),
    ):
        raise KeyReused(draft.key)
    return Posted(row.id, repeated=True)
