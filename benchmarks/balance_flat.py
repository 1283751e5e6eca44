"""`balance_flat`: a balance read with 1,000,000 entries, against one read with 10.

Both kinds: a project's, which `GET …/billing/balance` shows, and the operator's accounts, which are the last
checkpoint and what came after it. The entries are written with the triggers off, as a restored backup is, and
then verified: to post a million one by one takes half an hour. Readings take turns.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import asyncpg

from backend.billing.ledger import moves, standing
from backend.billing.ledger.about import About
from backend.billing.ledger.accounts import Account
from backend.billing.ledger.dao import CheckpointsDAO
from backend.billing.ledger.verification import verify
from backend.config import Settings, use
from backend.database import Database
from backend.projects.models import Project
from backend.utils.ids import new_id
from benchmarks.ledger_post import settings_of
from benchmarks.report import Result, middle
from benchmarks.servers import Installation

FEW, MANY = 10, 1_000_000
READINGS = 300
ROUNDS = 7
ABOUT = About("bench", "bench")
FILL = """
WITH posted AS (
    INSERT INTO ledger_transactions
        (id, key, kind, project_id, currency, amount, occurred_at, origin, code)
    SELECT gen_random_uuid(), gen_random_uuid()::text, 'charge', $1, 'EUR', 1, now(), 'bench', 'bench'
    FROM generate_series(1, $2::int) RETURNING id
), numbered AS (SELECT id, row_number() OVER () AS number FROM posted)
INSERT INTO ledger_entries (transaction_id, account_id, amount, balance_after)
SELECT id, side.account, side.amount, CASE WHEN side.amount < 0 THEN $4 - number END
FROM numbered CROSS JOIN unnest($3::uuid[], ARRAY[-1, 1]) AS side(account, amount)
"""
TABLES = ("ledger_accounts", "ledger_transactions", "ledger_entries")


def run() -> Result:
    with tempfile.TemporaryDirectory(prefix="gavan-bench-") as folder, ExitStack() as stack:
        installation = Installation(Path(folder), stack)
        settings = use(settings_of(installation))
        return asyncio.run(measure(settings, installation.dsn))


async def measure(settings: Settings, dsn: str) -> Result:
    database = Database(settings, pool_size=2)
    few = await customer(database, "EUR")
    await read(operator(database))
    early = await seconds(operator(database))
    many = await customer(database, "EUR")
    raw = await asyncpg.connect(dsn)
    await fill(raw, few, FEW)
    await fill(raw, many, MANY)
    begin = time.perf_counter()
    found = await verify(database)
    assert found is not None
    assert found.wrong == []
    summed = time.perf_counter() - begin
    await raw.execute("VACUUM ANALYZE ledger_entries")
    await raw.execute("VACUUM ANALYZE ledger_accounts")
    await raw.close()
    ratios, bases, times = [], [], []
    for _ in range(ROUNDS):
        bases.append(await seconds(balance(database, few)))
        times.append(await seconds(balance(database, many)))
        ratios.append(times[-1] / bases[-1])
    late = await seconds(operator(database))
    await database.close()
    return Result(
        name="balance_flat",
        value=middle(times) * 1e6,
        unit="µs",
        ratio=middle(ratios),
        aim="ratio <= 1.1",
        runs=ROUNDS,
        facts=[
            (f"base: a project with {FEW} entries", f"{middle(bases) * 1e6:8,.0f} µs"),
            ("the operator's accounts, empty and full", f"{early * 1e6:8,.0f} µs … {late * 1e6:,.0f} µs"),
            ("summing and verifying all, once", f"{summed:8,.1f} s"),
            ("ratio, lowest and highest round", f"{min(ratios):.2f} … {max(ratios):.2f}"),
        ],
    )


async def customer(database: Database, currency: str) -> UUID:
    project_id = new_id()
    async with database.transaction() as session:
        session.add(Project(id=project_id, name="bench"))
    async with database.transaction() as session:
        key = f"bench:{project_id}"
        await moves.top_up(*(session, project_id, currency, 10**9), key=key, gateway="manual", about=ABOUT)
        await moves.charge(session, project_id, currency, 1, 0, key=f"{key}:charge", about=ABOUT)
    return project_id


async def fill(raw: asyncpg.Connection, project_id: UUID, entries: int) -> None:
    accounts = [Account(project_id, "EUR", "balance").id, Account(None, "EUR", "revenue").id]
    for table in TABLES:
        await raw.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
    present = await raw.fetchval("SELECT balance FROM ledger_accounts WHERE id = $1", accounts[0])
    await raw.execute(FILL, project_id, entries, accounts, present, timeout=600)
    await raw.execute("UPDATE ledger_accounts SET balance = $2 WHERE id = $1", accounts[0], present - entries)
    for table in TABLES:
        await raw.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")


def balance(database: Database, project_id: UUID) -> Callable[[], Awaitable[object]]:
    async def read_once() -> object:
        async with database.single() as session:
            return await standing.of(session, project_id)

    return read_once


def operator(database: Database) -> Callable[[], Awaitable[object]]:
    async def read_once() -> object:
        async with database.single() as session:
            return await CheckpointsDAO(session).operator_accounts()

    return read_once


async def read(what: Callable[[], Awaitable[object]]) -> None:
    for _ in range(READINGS):
        await what()


async def seconds(what: Callable[[], Awaitable[object]]) -> float:
    """Of one reading, in the middle of many."""
    taken = []
    for _ in range(READINGS):
        begin = time.perf_counter()
        await what()
        taken.append(time.perf_counter() - begin)
    return middle(taken)
