"""Checkpoints are summed from the entries, and what does not fit them is found."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import text

from backend.billing.ledger import moves
from backend.billing.ledger.accounts import Account
from backend.billing.ledger.dao import CheckpointsDAO
from backend.billing.ledger.verification import Verified, verify
from backend.database import Database
from tests.billing.purse import ABOUT, Purse


async def verified(database: Database, *, whole: bool = False) -> Verified:
    found = await verify(database, whole=whole)
    assert found is not None
    return found


async def operator(database: Database) -> dict[str, int]:
    async with database.transaction() as session:
        return {row.kind: row.balance for row in await CheckpointsDAO(session).operator_accounts()}


async def tamper(database: Database, statement: str, **values: object) -> None:
    """As somebody who can do all, and does it to the ledger."""
    async with database.transaction() as session:
        for table in ("ledger_accounts", "ledger_entries", "ledger_transactions"):
            await session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        await session.execute(text(statement), values)
        for table in ("ledger_accounts", "ledger_entries", "ledger_transactions"):
            await session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER ALL"))


async def test_nothing_is_well(database: Database) -> None:
    assert await verified(database) == Verified(0)


async def test_checkpoints_move_on(database: Database, purse: Purse) -> None:
    await purse.top_up(1000)
    await purse.charge(100, 20)
    first = await verified(database)
    # Balance, gateway, revenue, tax.
    assert (first.accounts, first.entries, first.wrong) == (4, 5, [])
    await purse.charge(10, 2)
    assert await operator(database) == {"gateway": -1000, "revenue": 110, "tax": 22}
    second = await verified(database)
    assert (second.accounts, second.entries, second.wrong) == (3, 3, [])
    assert await operator(database) == {"gateway": -1000, "revenue": 110, "tax": 22}
    again = await verified(database)
    assert (again.accounts, again.entries, again.until) == (0, 0, second.until)
    whole = await verified(database, whole=True)
    assert (whole.accounts, whole.entries, whole.wrong) == (4, 8, [])


async def test_whoever_posts_is_waited_for(database: Database, purse: Purse) -> None:
    """An entry that has its number and is not committed yet must not be passed over."""
    await purse.top_up(1000)
    async with database.transaction() as session:
        await moves.charge(session, purse.project_id, "EUR", 7, 0, key="open", about=ABOUT)
        assert await verify(database, patience=timedelta(milliseconds=50)) is None
        waiting = asyncio.create_task(verify(database, patience=timedelta(seconds=20)))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    found = await waiting
    assert found is not None
    assert found.entries == 4
    assert (await operator(database))["revenue"] == 7


async def test_what_does_not_fit_is_found_until_it_does(database: Database, purse: Purse) -> None:
    account = Account(purse.project_id, "EUR", "balance").id
    await purse.top_up(1000)
    await verified(database)
    await purse.hold(30)
    await tamper(database, "UPDATE ledger_accounts SET balance = balance + 1 WHERE id = :id", id=account)
    for _ in range(2):
        (wrong,) = (await verified(database)).wrong
        assert (wrong.what, wrong.id, wrong.says, wrong.is_) == ("balance", account, 971, 970)
    await tamper(database, "UPDATE ledger_accounts SET balance = balance - 1 WHERE id = :id", id=account)
    assert (await verified(database)).wrong == []


async def test_what_was_verified_before_is_found_when_all_is_summed(database: Database, purse: Purse) -> None:
    account = Account(purse.project_id, "EUR", "balance").id
    posted = await purse.top_up(1000)
    await verified(database)
    change = "UPDATE ledger_entries SET amount = 999 WHERE account_id = :id"
    await tamper(database, change, id=account)
    assert (await verified(database)).wrong == []
    wrong = {one.what: (one.id, one.says, one.is_) for one in (await verified(database, whole=True)).wrong}
    assert wrong == {
        "transaction": (posted.transaction_id, 0, -1),
        "running sum": (account, 1000, 999),
        "balance": (account, 1000, 999),
        "checkpoint": (account, 1000, 999),
    }
