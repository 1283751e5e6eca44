"""Summing the ledger's entries again, comparing with what is said to stand there, and keeping the sums.

The sums are checkpoints: what the operator's accounts hold is the last one and the few entries after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from loguru import logger
from sqlalchemy.exc import DBAPIError

from backend.billing.ledger.dao import CheckpointsDAO
from backend.database import Database, now

PATIENCE = timedelta(milliseconds=500)
"""For postings under way; those that come wait as long at most."""
BATCH = 1_000
LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True)
class Wrong:
    """What sums to another amount than it says: an account in one of the places where it is kept, or the
    entries of a transaction."""

    what: str
    id: UUID
    says: int
    is_: int


@dataclass(slots=True)
class Verified:
    until: int
    accounts: int = 0
    entries: int = 0
    wrong: list[Wrong] = field(default_factory=list)


async def verify(
    database: Database, *, whole: bool = False, patience: timedelta = PATIENCE
) -> Verified | None:
    """Sum what was entered since the last time, or all; None if somebody else does, or posts for too long.

    Where all is well the checkpoints move on. Where something is wrong they stay, so that it is found
    again until somebody explains it.
    """
    until = await _settled(database, patience)
    if until is None:
        return None
    async with database.transaction() as session:
        dao = CheckpointsDAO(session)
        if not await dao.try_lock("verify ledger"):
            return None
        found = await _compare(dao, 0 if whole else await dao.reached(), until)
    for wrong in found.wrong:
        logger.error("the ledger is wrong: {}", wrong)
    return found


async def _settled(database: Database, patience: timedelta) -> int | None:
    try:
        async with database.transaction() as session:
            return await CheckpointsDAO(session).settled(patience)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            return None
        raise


async def _compare(dao: CheckpointsDAO, after: int, until: int) -> Verified:
    found = Verified(until)
    for row in await dao.unbalanced(after, until):
        found.wrong.append(Wrong("transaction", row.transaction_id, 0, int(row.total)))
    kept: list[dict[str, Any]] = []
    for row in await dao.sums(after, until):
        found.accounts += 1
        found.entries += row.added
        sums = {"running sum": (row.balance_after, row.balance), "balance": (row.present, row.balance)}
        sums["checkpoint"] = (row.kept, row.kept_is)
        found.wrong += [
            Wrong(what, row.id, int(said), int(is_))
            for what, (said, is_) in sums.items()
            if said is not None and said != is_
        ]
        balance, entries = int(row.balance), int(row.entries)
        kept.append(
            {
                "account_id": row.id,
                "entry_id": until,
                "balance": balance,
                "entries": entries,
                "made_at": now(),
            }
        )
    if not found.wrong:
        for start in range(0, len(kept), BATCH):
            await dao.keep(kept[start : start + BATCH])
    return found
