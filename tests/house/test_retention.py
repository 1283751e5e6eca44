"""What is too old is removed: all of it, in batches, whatever dies in the middle, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend import retention
from backend.config import Settings
from backend.dao.base import BATCH
from backend.database import Database
from backend.jobs import relay

ROWS = 50_000
YOUNG = 1_000

FILL = """
INSERT INTO users (id, email, name, password_hash)
VALUES ('0199c2d4-0000-7000-8000-000000000001', 'a@example.com', 'A', '');
INSERT INTO idempotency_keys (id, user_id, key, fingerprint, created_at)
SELECT gen_random_uuid(), '0199c2d4-0000-7000-8000-000000000001', 'key ' || n, '',
       now() - CASE WHEN n > {young} THEN interval '2 days' ELSE interval '1 minute' END
FROM generate_series(1, {all}) n;
"""


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings)
    yield database
    await database.close()


async def count(database: Database, table: str) -> int:
    async with database.transaction() as session:
        return (await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()


@pytest.fixture
async def filled(database: Database) -> Database:
    async with database.transaction() as session:
        for statement in FILL.format(young=YOUNG, all=ROWS + YOUNG).strip().split(";")[:-1]:
            await session.execute(text(statement))
    return database


async def test_everything_old_and_nothing_young(filled: Database) -> None:
    removed = await retention.sweep(filled)
    assert removed == {"idempotency keys": ROWS}
    assert await count(filled, "idempotency_keys") == YOUNG
    assert await retention.sweep(filled) == {}


SWEEPING = """
import asyncio
from backend import models, retention
from backend.config import Settings, use
from backend.database import Database

async def slow(session):
    count = await relay.prune(session)
    print(count, flush=True)
    await asyncio.sleep(0.2)
    return count

from backend.jobs import relay
asyncio.run(retention.sweep(Database(use(Settings())), kept={"idempotency keys": slow}))
"""


async def test_killed_in_the_middle(filled: Database, settings: Settings) -> None:
    """What was committed stays removed, the batch under way is not half done, and the next sweep goes on."""
    environment = {
        **os.environ,
        **{
            name.upper(): shown(value)
            for name, value in settings.model_dump(exclude={"app_ports"}).items()
            if value is not None
        },
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SWEEPING), env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(3):
        assert await process.stdout.readline() == f"{BATCH}\n".encode()
    process.send_signal(signal.SIGKILL)
    await process.wait()
    assert await count(filled, "idempotency_keys") == YOUNG + ROWS - 2 * BATCH
    # The lock of the dead one is nobody's, once its connection is noticed to be gone.
    removed = 0
    async with asyncio.timeout(20):
        while removed < ROWS - 2 * BATCH:
            removed += (await retention.sweep(filled)).get("idempotency keys", 0)
    assert await count(filled, "idempotency_keys") == YOUNG


def shown(value: object) -> str:
    if hasattr(value, "get_secret_value"):
        return str(value.get_secret_value())
    if isinstance(value, tuple):
        return ("-" if all(isinstance(part, int) for part in value) else ",").join(map(str, value))
    return str(value)


async def test_two_at_once_share_the_work(filled: Database) -> None:
    first, second = await asyncio.gather(retention.sweep(filled), retention.sweep(filled))
    assert sum(one.get("idempotency keys", 0) for one in (first, second)) <= ROWS
    await retention.sweep(filled)
    assert await count(filled, "idempotency_keys") == YOUNG


async def test_when_time_is_up_the_rest_waits(filled: Database) -> None:
    async def slow(session: AsyncSession) -> int:
        await asyncio.sleep(0.1)
        return await relay.prune(session)

    removed = await retention.sweep(filled, kept={"idempotency keys": slow}, seconds=0.05)
    assert removed == {"idempotency keys": BATCH}


async def test_one_that_fails_holds_up_no_other(filled: Database) -> None:
    async def broken(session: AsyncSession) -> int:
        await session.execute(text("SELECT 1 / 0"))
        return 1

    removed = await retention.sweep(filled, kept={"broken": broken, "idempotency keys": relay.prune})
    assert removed == {"idempotency keys": ROWS}


def test_each_table_that_expires_is_swept(settings_of: Callable[..., Settings]) -> None:
    """A new one has to be given to `retention.KEPT`, and named here."""
    from backend.models import Base

    swept = {
        *("oauth_sessions", "oauth_refresh_tokens", "oauth_codes", "oauth_personal_tokens"),
        *("verification_codes", "second_steps", "webauthn_challenges", "project_invitations"),
        "consoles",
    }
    # Its object goes before its row: `backups.tending`.
    swept |= {"backups"}
    # What it gave is on invoices for as long as these are kept.
    kept = {"coupons"}
    assert swept | kept == {
        name for name, table in Base.metadata.tables.items() if "expires_at" in table.columns
    }
