"""`ledger_post`: charges posted a second, against bare INSERTs of the same rows in one transaction each.

The base writes to tables with the same columns, checks and indexes, without lock, key, limit or trigger: it
is told the rows. Both commit each posting by itself; each connection has customers of its own, and all enter
what the same operator earns. Base and ledger take turns. One connection is how the rating posts, and waits
for the disk; several at once share one process, whose Python is then what is measured.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from backend.billing.ledger import moves
from backend.billing.ledger.about import About
from backend.billing.ledger.accounts import Account
from backend.config import Settings, use
from backend.database import Database, now
from backend.projects.models import Project
from backend.utils.ids import new_id
from benchmarks.report import Result, middle
from benchmarks.servers import Installation

CONNECTIONS = 4
PROJECTS = 25
POSTINGS = 500
ROUNDS = 5
NET, TAX = 100, 20
PARAMETERS = {"service": "harbour", "plan": "dinghy", "day": "2026-11-22", "seconds": 86_400}
TWINS = """
CREATE TABLE bare_transactions (LIKE ledger_transactions INCLUDING ALL);
CREATE TABLE bare_entries (LIKE ledger_entries INCLUDING ALL);
"""
TRANSACTION = """
INSERT INTO bare_transactions
    (id, key, kind, project_id, currency, amount, occurred_at, posted_at, origin, code, parameters,
    service_id, source_type, source_id, user_id, acting_id)
VALUES ($1, $2, 'charge', $3, 'EUR', $4, $5, $6, 'usage', 'usage', $7::jsonb,
    $8, 'usage_charge', $9, NULL, NULL)
"""
ENTRIES = """
INSERT INTO bare_entries (transaction_id, account_id, amount, balance_after)
VALUES ($1, $2, $3, $4), ($1, $5, $6, NULL), ($1, $7, $8, NULL)
"""


def run() -> Result:
    with tempfile.TemporaryDirectory(prefix="gavan-bench-") as folder, ExitStack() as stack:
        installation = Installation(Path(folder), stack)
        settings = use(settings_of(installation))
        return asyncio.run(measure(settings, installation.dsn))


def settings_of(installation: Installation) -> Settings:
    values: dict[str, Any] = {name.lower(): value for name, value in installation.env.items()}
    return Settings(_env_file=None, **values)  # type: ignore[call-arg]


async def measure(settings: Settings, dsn: str) -> Result:
    database = Database(settings, pool_size=CONNECTIONS)
    bare = [await asyncpg.connect(dsn) for _ in range(CONNECTIONS)]
    await bare[0].execute(TWINS)
    groups = [await customers(database) for _ in range(CONNECTIONS)]

    async def rate(work: Any, count: int) -> float:
        begin = time.perf_counter()
        await asyncio.gather(*(work(number) for number in range(count)))
        return count * POSTINGS / (time.perf_counter() - begin)

    async def posted(count: int) -> float:
        return await rate(lambda number: post(database, groups[number]), count)

    async def inserted(count: int) -> float:
        return await rate(lambda number: insert(bare[number], groups[number]), count)

    async def rounds(count: int) -> tuple[list[float], list[float], list[float]]:
        # Statements are prepared, and pages warm.
        await posted(count)
        await inserted(count)
        bases, rates, ratios = [await inserted(count)], [], []
        for _ in range(ROUNDS):
            rates.append(await posted(count))
            bases.append(await inserted(count))
            ratios.append(rates[-1] / ((bases[-2] + bases[-1]) / 2))
        return bases, rates, ratios

    bases, rates, ratios = await rounds(1)
    at_once, _, crowded = await rounds(CONNECTIONS)
    for connection in bare:
        await connection.close()
    await database.close()
    return Result(
        name="ledger_post",
        value=middle(rates),
        unit="postings/s",
        ratio=middle(ratios),
        aim="ratio >= 0.5",
        runs=ROUNDS,
        facts=[
            ("base: bare INSERTs of the same rows", f"{middle(bases):8,.0f} transactions/s"),
            ("ratio, lowest and highest round", f"{min(ratios):.2f} … {max(ratios):.2f}"),
            (f"ratio on {CONNECTIONS} connections at once", spread(crowded)),
            (f"base on {CONNECTIONS} connections at once", f"{middle(at_once):8,.0f} transactions/s"),
        ],
    )


def spread(ratios: list[float]) -> str:
    return f"{middle(ratios):.2f}   ({min(ratios):.2f} … {max(ratios):.2f})"


async def customers(database: Database) -> list[UUID]:
    """Projects with enough money for all rounds."""
    ids = [new_id() for _ in range(PROJECTS)]
    async with database.transaction() as session:
        session.add_all(Project(id=one, name="bench") for one in ids)
    for one in ids:
        about = About("payment", "top_up")
        async with database.transaction() as session:
            await moves.top_up(session, one, "EUR", 10**12, key=f"bench:{one}", gateway="manual", about=about)
    return ids


async def post(database: Database, projects: list[UUID]) -> None:
    for number in range(POSTINGS):
        key = new_id()
        about = About(
            "usage", "usage", PARAMETERS, service_id=new_id(), source_type="usage_charge", source_id=key
        )
        async with database.transaction() as session:
            await moves.charge(
                *(session, projects[number % PROJECTS], "EUR", NET, TAX), key=f"usage:{key}", about=about
            )


async def insert(connection: asyncpg.Connection, projects: list[UUID]) -> None:
    revenue, tax = Account(None, "EUR", "revenue").id, Account(None, "EUR", "tax").id
    for number in range(POSTINGS):
        key, transaction_id, at = new_id(), new_id(), now()
        project = projects[number % PROJECTS]
        balance = Account(project, "EUR", "balance").id
        parameters = orjson.dumps(PARAMETERS).decode()
        async with connection.transaction():
            await connection.execute(
                *(TRANSACTION, transaction_id, f"usage:{key}", project, NET + TAX, at, at, parameters),
                *(new_id(), key),
            )
            await connection.execute(
                *(ENTRIES, transaction_id, balance, -NET - TAX, 10**12, revenue, NET, tax, TAX)
            )
