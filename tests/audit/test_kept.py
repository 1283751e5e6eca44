"""The database lets nobody change the trail; only what is old goes, on purpose, and on record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import retention
from backend.audit.actions import Action
from backend.audit.models import AuditEvent
from backend.config import Settings, use
from backend.database import Database
from backend.utils.ids import new_id

DAYS = 90


async def add(database: Database, *ages: float, count: int = 1) -> None:
    """`count` events of each age in days."""
    rows = [
        {
            "id": new_id(),
            "created_at": datetime.now(UTC) - timedelta(days=age),
            "action": Action.USER_UPDATED,
            "result": "done",
        }
        for age in ages
        for _ in range(count)
    ]
    async with database.transaction() as session:
        await session.execute(insert(AuditEvent), rows)


async def ages(database: Database, action: str = Action.USER_UPDATED) -> list[int]:
    async with database.session() as session:
        rows = (await session.execute(select(AuditEvent).where(AuditEvent.action == action))).scalars()
        return sorted(round((datetime.now(UTC) - row.created_at).total_seconds() / 86_400) for row in rows)


async def prune(database: Database) -> int:
    async with database.transaction() as session:
        return await retention.prune(session)


@pytest.fixture(autouse=True)
def _days(app: FastAPI, settings: Settings) -> Iterator[None]:
    use(settings.model_copy(update={"audit_retention_days": DAYS}))
    yield
    use(settings)


SINCE = "SELECT set_config('gavan.audit_kept_since', '{}', true)"


class TestRefused:
    @pytest.fixture(autouse=True)
    async def _rows(self, database: Database) -> None:
        await add(database, 0, 20, 29.9, 31, 400)

    async def refused(self, session: AsyncSession, statement: str) -> None:
        with pytest.raises(DBAPIError, match="append-only"):
            await session.execute(text(statement))

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit_events SET action = 'x'",
            "UPDATE audit_events SET action = 'x' WHERE false",
            "DELETE FROM audit_events",
            "DELETE FROM audit_events WHERE created_at < now() - interval '399 days'",
            "TRUNCATE audit_events",
            "TRUNCATE audit_events CASCADE",
            "INSERT INTO audit_events (id, action, result) SELECT id, action, result FROM audit_events "
            "LIMIT 1 ON CONFLICT (id) DO UPDATE SET action = 'x'",
            "WITH gone AS (DELETE FROM audit_events RETURNING id) SELECT count(*) FROM gone",
            "MERGE INTO audit_events e USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
        ],
    )
    async def test_whatever_is_not_an_insert(self, database: Database, statement: str) -> None:
        async with database.session() as session:
            await self.refused(session, statement)
        assert len(await ages(database)) == 5

    @pytest.mark.parametrize("since", ["infinity", "2999-01-01", "{now}"])
    async def test_the_last_thirty_days_whoever_asks(self, database: Database, since: str) -> None:
        since = since.format(now=datetime.now(UTC).isoformat())
        for age in ("29 days 23 hours", "0 days"):
            async with database.session() as session:
                await session.execute(text(SINCE.format(since)))
                where = f"created_at > now() - interval '{age}' - interval '1 hour'"
                await self.refused(session, f"DELETE FROM audit_events WHERE {where}")
        assert len(await ages(database)) == 5

    async def test_even_when_triggers_are_switched_off(self, database: Database) -> None:
        """As a session does that replays another's changes."""
        async with database.session() as session:
            await session.execute(text("SET LOCAL session_replication_role = replica"))
            await self.refused(session, "DELETE FROM audit_events")

    async def test_the_permission_ends_with_its_transaction(self, database: Database) -> None:
        assert await prune(database) == 1
        await add(database, 500)
        async with database.session() as session:
            await self.refused(
                session, "DELETE FROM audit_events WHERE created_at < now() - interval '499 days'"
            )

    async def test_what_is_younger_than_was_said(self, database: Database) -> None:
        async with database.session() as session:
            await session.execute(text(SINCE.format("2000-01-01")))
            await self.refused(session, "DELETE FROM audit_events")

    async def test_nonsense_opens_nothing(self, database: Database) -> None:
        for nonsense in ("x", "-infinity", ""):
            async with database.session() as session:
                await session.execute(text(SINCE.format(nonsense)))
                with pytest.raises(DBAPIError):
                    await session.execute(text("DELETE FROM audit_events"))
        assert len(await ages(database)) == 5


async def test_what_is_too_old_goes(database: Database) -> None:
    await add(database, 1, 40, DAYS - 1, DAYS + 2, 400)
    assert await prune(database) == 2
    assert await ages(database) == [1, 40, DAYS - 1]
    assert await prune(database) == 0


async def test_that_is_recorded_once(database: Database) -> None:
    await add(database, 400, 500)
    await prune(database)
    await prune(database)
    async with database.session() as session:
        statement = select(AuditEvent).where(AuditEvent.action == Action.AUDIT_PRUNED)
        event = (await session.execute(statement)).scalar_one()
    assert event.user_id is None
    assert event.after is not None
    assert event.after["removed"] == 2
    assert datetime.fromisoformat(event.after["kept_since"]).hour == 0


async def test_by_batches_the_oldest_first(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    await add(database, 100, 200, 300, count=2)
    assert await prune(database) == 3
    assert await ages(database) == [100, 100, 200]
    assert await prune(database) == 3
    assert await prune(database) == 0
