"""Migrations go up and down with data in every table, and end at what the models say."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, insert, inspect, select, update
from sqlalchemy.ext.asyncio import create_async_engine

from backend import models
from tests.support.servers import ROOT, postgres_url

# What a check constraint lets through; everything else is filled by its type.
FITTING: dict[tuple[str, str], Any] = {
    ("jobs", "state"): "queued",
    ("services", "status"): "pending",
    ("services", "desired"): "running",
    ("deployments", "state"): "queued",
    ("project_members", "role"): "owner",
    ("project_invitations", "role"): "viewer",
    ("users", "locale"): "en",
    ("sign_ins", "result"): "done",
    ("webauthn_challenges", "purpose"): "proof",
    ("letters", "channel"): "email",
    ("hook_deliveries", "forge"): "github",
    ("hook_deliveries", "outcome"): "ignored",
    ("letters", "state"): "queued",
    ("ledger_accounts", "kind"): "balance",
    ("ledger_accounts", "currency"): "EUR",
    ("ledger_transactions", "currency"): "EUR",
    ("ledger_accounts", "balance"): 0,
    ("ledger_adjustments", "state"): "proposed",
    ("addons", "id"): "volume",
    ("prices", "addon_id"): None,
    ("prices", "existing"): "keep",
    ("prices", "source"): "admin",
    ("coupons", "kind"): "percent",
    ("order_holds", "released_at"): None,
    ("billing_runs", "state"): "running",
    ("usage_events", "kind"): "started",
    ("usage_records", "to_at"): datetime(2026, 11, 22, 0, 0, 1, tzinfo=UTC),
    ("invoices", "kind"): "credit_note",
    ("invoices", "gross"): 2,
    ("invoices", "period_end"): date(2026, 12, 1),
    ("invoice_lines", "gross"): 2,
    ("dunning_rules", "id"): 1,
    ("dunning_states", "stage"): "ok",
    ("domains", "verified_by"): "txt",
    ("cron_jobs", "overlap"): "skip",
    ("cron_runs", "trigger"): "schedule",
    ("cron_runs", "state"): "running",
    ("backups", "trigger"): "schedule",
    ("backups", "state"): "verified",
    ("backup_plans", "keep_last"): 1,
    ("backup_restores", "state"): "succeeded",
    ("domains", "look"): "here",
    ("domains", "provider"): "cloudflare",
    ("certificates", "state"): "active",
    ("payments", "state"): "succeeded",
    ("payments", "refunded"): 0,
    ("payments", "refunding"): 0,
    ("method_setups", "state"): "succeeded",
    ("refunds", "state"): "succeeded",
    ("disputes", "state"): "won",
    ("gateway_messages", "state"): "applied",
    ("bank_lines", "state"): "matched",
    ("commit_statuses", "delivery"): "queued",
    ("commit_statuses", "said"): "pending",
    ("status_settings", "forge"): "gitea",
    ("preview_settings", "variables"): "all",
    ("preview_settings", "forks"): "never",
    ("pull_requests", "state"): "open",
    ("pull_requests", "forge"): "gitea",
    ("node_drains", "state"): "moving",
    ("public_ports", "port"): 31000,
}

NEEDED = {("prices", "plan_id")}
"""What may be empty, but not with the row that is made here."""


@pytest.fixture
async def url(_maintenance: asyncpg.Connection, servers_directory: Path) -> AsyncIterator[str]:
    """An empty database."""
    name = f"empty_{uuid.uuid4().hex}"
    await _maintenance.execute(f"CREATE DATABASE {name}")
    yield postgres_url(servers_directory, name).replace("postgresql://", "postgresql+asyncpg://")
    await _maintenance.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def config(url: str) -> Config:
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = url
    return config


async def alembic(what: Any, *arguments: Any) -> None:
    """Alembic's own event loop needs a thread of its own."""
    await asyncio.to_thread(what, *arguments)


def revisions(config: Config) -> list[str]:
    script = ScriptDirectory.from_config(config)
    return [one.revision for one in reversed(list(script.walk_revisions()))]


def fill(connection: Connection) -> set[str]:
    """A row in every table that is there; their names."""
    metadata = MetaData()
    metadata.reflect(connection)
    # In a known order: the database lists them in one of its own, which changes.
    left = {table.name: table for table in metadata.sorted_tables if table.name != "alembic_version"}
    filled: set[str] = set()
    while left:
        # Tables may refer to each other in a circle, but not with what must not be empty.
        name = next(name for name, table in left.items() if _needs(table) <= filled)
        table = left.pop(name)
        if connection.execute(select(table).limit(1)).first() is None:
            _insert(connection, table)
        filled.add(name)
    return filled


def _insert(connection: Connection, table: Table) -> None:
    rows = [_row(connection, table)]
    if table.name == "ledger_accounts":
        rows.append(rows[0] | {"id": uuid.uuid4(), "name": "another"})
    elif table.name == "ledger_entries":
        # They balance, or are refused.
        accounts = connection.scalars(select(_table(connection, "ledger_accounts").c.id)).all()
        rows = [rows[0] | {"account_id": accounts[at], "amount": amount} for at, amount in ((0, -1), (1, 1))]
    elif table.name == "invoices":
        # What a line of an invoice says has to be what the ledger says; a credit note corrects something.
        rows[0]["corrects_id"] = rows[0]["id"]
    connection.execute(insert(table).values(rows))


def _table(connection: Connection, name: str) -> Table:
    return Table(name, MetaData(), autoload_with=connection)


def _needs(table: Table) -> set[str]:
    return {
        key.column.table.name
        for column in table.columns
        for key in column.foreign_keys
        if (not column.nullable or (table.name, column.name) in NEEDED) and key.column.table is not table
    }


def _row(connection: Connection, table: Table) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for column in table.columns:
        if column.computed is not None or column.identity is not None:
            continue
        if (table.name, column.name) in FITTING:
            row[column.name] = FITTING[table.name, column.name]
        elif column.foreign_keys:
            (key,) = column.foreign_keys
            row[column.name] = connection.execute(select(key.column).limit(1)).scalar()
            assert row[column.name] is not None or column.nullable, column
        else:
            row[column.name] = _value(column.type.python_type, column)
    return row


def _value(kind: type, column: Any) -> Any:
    if kind is str:
        return uuid.uuid4().hex[: getattr(column.type, "length", None) or 32]
    if kind is list:
        return []
    return {
        uuid.UUID: uuid.uuid4(),
        int: 1,
        float: 1.5,
        bool: True,
        date: date(2026, 11, 22),
        datetime: datetime(2026, 11, 22, tzinfo=UTC),
        dict: {"a": 1},
        object: {"a": 1},
        bytes: b"x",
    }[kind]


async def with_connection(url: str, what: Any) -> Any:
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(what)
    finally:
        await engine.dispose()


async def tables_of(url: str) -> set[str]:
    return set(await with_connection(url, lambda connection: inspect(connection).get_table_names()))


async def test_up_and_down_with_data(config: Config, url: str) -> None:
    before = "base"
    for revision in revisions(config):
        await alembic(command.upgrade, config, revision)
        filled = await with_connection(url, fill)
        assert filled
        await alembic(command.downgrade, config, before)
        await alembic(command.upgrade, config, revision)
        await with_connection(url, fill)
        before = revision
    await alembic(command.downgrade, config, "base")
    assert await tables_of(url) <= {"alembic_version"}
    await alembic(command.upgrade, config, "head")
    # Again and it changes nothing.
    await alembic(command.upgrade, config, "head")


async def test_a_rollback_that_serves_is_taken_back(config: Config, url: str) -> None:
    """The version before knows a build only by its own deployment, and deletes what it does not know."""
    await alembic(command.upgrade, config, "0008")
    await with_connection(url, fill)
    await alembic(command.upgrade, config, "0009")
    built, serving, waiting = await with_connection(url, _rolled_back)
    await alembic(command.downgrade, config, "0008")
    await alembic(command.upgrade, config, "0009")
    service, job, deployments = await with_connection(url, _outcome)
    assert service == (built, built)
    assert job == "cancelled"
    assert deployments == {
        built: ("live", None, built, True),
        serving: ("superseded", None, serving, False),
        waiting: ("superseded", None, waiting, False),
    }


def _rolled_back(connection: Connection) -> tuple[uuid.UUID, ...]:
    """A release that was left by a rollback to itself, which serves, and another one that waits."""
    metadata = MetaData()
    metadata.reflect(connection)
    deployments, services, jobs = (metadata.tables[name] for name in ("deployments", "services", "jobs"))
    built = connection.execute(select(deployments)).mappings().one()
    serving, waiting = uuid.uuid4(), uuid.uuid4()
    again = dict(built) | {"trigger": "rollback", "restores_id": built["id"]}
    again |= {"reason_code": None, "build_kept": False}
    left = {"state": "rolled_back", "reason_code": "rolled_back", "build_kept": True}
    connection.execute(update(deployments).values(left))
    connection.execute(insert(deployments).values(again | {"id": serving, "number": 2, "state": "live"}))
    connection.execute(insert(deployments).values(again | {"id": waiting, "number": 3, "state": "checking"}))
    connection.execute(
        update(services).values(live_deployment_id=serving, routed_deployment_id=waiting, deleted_at=None)
    )
    connection.execute(update(jobs).values(kind="service.rollback", deployment_id=waiting))
    return built["id"], serving, waiting


def _outcome(connection: Connection) -> tuple[Any, Any, dict[uuid.UUID, Any]]:
    metadata = MetaData()
    metadata.reflect(connection)
    deployments, services, jobs = (metadata.tables[name].c for name in ("deployments", "services", "jobs"))
    service = connection.execute(select(services.live_deployment_id, services.routed_deployment_id)).one()
    known = (deployments.state, deployments.reason_code, deployments.build_id, deployments.build_kept)
    rows = connection.execute(select(deployments.id, *known))
    return tuple(service), connection.scalar(select(jobs.state)), {row[0]: tuple(row[1:]) for row in rows}


def test_what_refers_to_its_own_table_is_indexed() -> None:
    """Or the whole table is read for each row of it that is deleted."""
    bare = {
        f"{table.name}.{key.parent.name}"
        for table in models.metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table is table and not any(index.columns[0] is key.parent for index in table.indexes)
    }
    assert bare == set()


async def test_the_end_is_what_the_models_say(config: Config) -> None:
    await alembic(command.upgrade, config, "head")
    await alembic(command.check, config)


async def test_check_would_notice(config: Config, url: str) -> None:
    await alembic(command.upgrade, config, "head")
    await with_connection(
        url, lambda connection: connection.exec_driver_sql("ALTER TABLE plans ADD COLUMN surprise int")
    )
    with pytest.raises(Exception, match="surprise"):
        await alembic(command.check, config)


def test_one_line_of_revisions(config: Config) -> None:
    script = ScriptDirectory.from_config(config)
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1


async def test_two_at_once(config: Config, url: str) -> None:
    """Two processes that start together: one migrates, the other waits and finds it done."""
    outcomes = await asyncio.gather(
        *(_subprocess(url) for _ in range(3)),
    )
    assert [code for code, _ in outcomes] == [0, 0, 0], outcomes
    assert "services" in await tables_of(url)


async def _subprocess(url: str) -> tuple[int | None, str]:
    import sys

    program = (
        "import sys; from alembic import command; from alembic.config import Config;"
        "config = Config('alembic.ini'); config.attributes['url'] = sys.argv[1];"
        "command.upgrade(config, 'head')"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, url),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()[-1500:]
