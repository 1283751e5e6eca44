"""The database itself refuses what would falsify the ledger, to whoever asks."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from backend.billing.ledger.accounts import Account
from backend.config import Settings
from backend.utils.ids import new_id
from tests.billing.purse import Purse


@pytest.fixture
async def raw(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """The owner of the tables, without any of our code."""
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    yield connection
    await connection.close()


@pytest.fixture
async def accounts(purse: Purse) -> dict[str, UUID]:
    """Ada's, with a little money that moved."""
    await purse.top_up(1000)
    await purse.hold(10)
    kinds = {kind: Account(purse.project_id, "EUR", kind).id for kind in ("balance", "held", "due")}
    return kinds | {"bank": Account(None, "EUR", "gateway", "manual").id}


async def transaction(raw: asyncpg.Connection, project_id: UUID) -> UUID:
    found = await raw.fetchval(
        "INSERT INTO ledger_transactions"
        " (id, key, kind, project_id, currency, amount, occurred_at, origin, code)"
        " VALUES ($1, $2, 'top_up', $3, 'EUR', 5, now(), 'test', 'test') RETURNING id",
        *(new_id(), uuid.uuid4().hex, project_id),
    )
    assert isinstance(found, UUID)
    return found


async def enter(raw: asyncpg.Connection, transaction_id: UUID, **amounts: tuple[UUID, int]) -> None:
    ids, values = zip(*amounts.values(), strict=True)
    await raw.execute(
        "INSERT INTO ledger_entries (transaction_id, account_id, amount)"
        " SELECT $1, * FROM unnest($2::uuid[], $3::bigint[])",
        *(transaction_id, list(ids), list(values)),
    )


async def posting(raw: asyncpg.Connection, project_id: UUID, **amounts: tuple[UUID, int]) -> None:
    async with raw.transaction():
        await enter(raw, await transaction(raw, project_id), **amounts)


@pytest.mark.parametrize("table", ["ledger_transactions", "ledger_entries"])
@pytest.mark.parametrize(
    "how", ["UPDATE {} SET amount = amount + 1", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
@pytest.mark.parametrize("role", ["origin", "replica"])
async def test_nobody_changes_what_is_written(
    raw: asyncpg.Connection, accounts: dict[str, UUID], table: str, how: str, role: str
) -> None:
    await raw.execute(f"SET session_replication_role = {role}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await raw.execute(how.format(table))


@pytest.mark.parametrize(
    "how",
    [
        "UPDATE ledger_accounts SET balance = balance + 1",
        "UPDATE ledger_accounts SET currency = 'USD'",
        "DELETE FROM ledger_accounts",
        "TRUNCATE ledger_accounts CASCADE",
        "INSERT INTO ledger_accounts (id, currency, kind, balance) VALUES (gen_random_uuid(), 'EUR', 'x', 1)",
    ],
)
async def test_a_running_sum_is_the_database_s_own(
    raw: asyncpg.Connection, accounts: dict[str, UUID], how: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await raw.execute(how)


async def test_entries_balance(raw: asyncpg.Connection, purse: Purse, accounts: dict[str, UUID]) -> None:
    balance, bank = accounts["balance"], accounts["bank"]
    for wrong in ({"a": (balance, 5)}, {"a": (balance, 5), "b": (bank, -4)}):
        with pytest.raises(asyncpg.CheckViolationError, match="do not balance"):
            await posting(raw, purse.project_id, **wrong)
    with pytest.raises(asyncpg.CheckViolationError, match="do not balance"):
        await posting(raw, purse.project_id, a=(balance, 5), b=(bank, -5), c=(new_id(), 3), d=(new_id(), -3))
    with pytest.raises(asyncpg.CheckViolationError, match="has no entries"):
        await transaction(raw, purse.project_id)
    with pytest.raises(asyncpg.CheckViolationError, match="amount"):
        await posting(raw, purse.project_id, a=(balance, 0), b=(bank, 0))
    assert await purse.three() == (990, 10, 0)


async def test_nothing_is_added_to_what_was_posted(
    raw: asyncpg.Connection, purse: Purse, accounts: dict[str, UUID]
) -> None:
    posted = await purse.top_up(5)
    with pytest.raises(asyncpg.CheckViolationError, match="do not balance"):
        await enter(raw, posted.transaction_id, a=(accounts["held"], 1))


async def test_currencies_and_customers_are_not_mixed(
    raw: asyncpg.Connection, purse: Purse, accounts: dict[str, UUID]
) -> None:
    dollars = Purse(purse.database, purse.project_id, "USD")
    await dollars.top_up(1)
    foreign = Account(purse.project_id, "USD", "balance").id
    both = {"a": (accounts["balance"], -5), "b": (foreign, 5)}
    with pytest.raises(asyncpg.CheckViolationError, match="do not balance"):
        await posting(raw, purse.project_id, **both)
    other = new_id()
    await raw.execute("INSERT INTO projects (id, name) VALUES ($1, 'other')", other)
    both = {"a": (accounts["balance"], -5), "b": (accounts["bank"], 5)}
    with pytest.raises(asyncpg.CheckViolationError, match="do not balance"):
        await posting(raw, other, **both)


async def test_held_and_due_have_a_side(
    raw: asyncpg.Connection, purse: Purse, accounts: dict[str, UUID]
) -> None:
    for kind, amount in (("held", -11), ("due", 1)):
        both = {"a": (accounts[kind], amount), "b": (accounts["balance"], -amount)}
        with pytest.raises(asyncpg.CheckViolationError, match=kind):
            await posting(raw, purse.project_id, **both)
    assert await purse.three() == (990, 10, 0)


async def test_each_entry_knows_what_it_left(
    raw: asyncpg.Connection, purse: Purse, accounts: dict[str, UUID]
) -> None:
    await purse.charge(100, 20, from_held=10)
    rows = await raw.fetch(
        "SELECT amount, balance_after FROM ledger_entries WHERE account_id = $1 ORDER BY id",
        accounts["balance"],
    )
    assert [tuple(row) for row in rows] == [(1000, 1000), (-10, 990), (-110, 880)]
    operator = "SELECT count(*) FROM ledger_entries WHERE account_id = $1 AND balance_after IS NULL"
    assert await raw.fetchval(operator, accounts["bank"]) == 1
