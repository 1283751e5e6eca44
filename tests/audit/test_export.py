"""The trail as CSV: all of it, in little memory, and nothing in it that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from backend.audit import export, trail
from backend.audit.actions import Action
from backend.audit.actor import Actor
from backend.audit.export import COLUMNS, harmless
from backend.audit.views import EVENTS
from backend.database import Database
from backend.utils.ids import new_id
from tests.support.people import Person, UserFactory


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory(name="Ada")


def parsed(body: str) -> list[dict[str, str]]:
    assert body.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(body[1:], newline="")))


async def test_the_file(client: httpx.AsyncClient, database: Database, ada: Person) -> None:
    by = Actor(ada.id, None, "cli", ada.session_id, "192.0.2.7", 'Quoted "agent", with\ncommas')
    service = new_id()
    async with database.transaction() as session:
        await trail.record(
            session,
            Action.SERVICE_UPDATED,
            object_type="service",
            object_id=service,
            object_name="приливы",
            project_id=ada.project_id,
            before={"branch": None},
            after={"branch": "main"},
            actor=by,
        )
    filters = {"action": Action.SERVICE_UPDATED}
    answer = await client.get("/api/v1/audit.csv", params=filters, headers=ada.headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="audit-20')
    (row,) = parsed(answer.text)
    assert list(row) == list(COLUMNS)
    assert datetime.now(UTC) - datetime.fromisoformat(row.pop("created_at")) < timedelta(minutes=1)
    assert row.pop("id")
    assert {name: value for name, value in row.items() if value} == {
        "action": "service.updated",
        "result": "done",
        "user_id": str(ada.id),
        "user_email": ada.email,
        "user_name": "Ada",
        "client_id": "cli",
        "client_name": "Scripts and command line",
        "address": "192.0.2.7",
        "user_agent": 'Quoted "agent", with\ncommas',
        "project_id": str(ada.project_id),
        "project_name": "Ada",
        "object_type": "service",
        "object_id": str(service),
        "object_name": "приливы",
        "before": '{"branch":null}',
        "after": '{"branch":"main"}',
    }
    # The filters are those of the list.
    nothing = await client.get("/api/v1/audit.csv?result=failed", headers=ada.headers)
    assert parsed(nothing.text) == []


@pytest.mark.parametrize(
    "value",
    [
        *("=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://evil.example","x")', "\t=1", "\r=1", "\n=1"),
        *(" =1", "＝1", "＋1", "－1", "＠x", "'=1", '"=1', "-2+3+cmd|' /C calc'!A0"),
    ],
)
async def test_formulas_are_text(
    client: httpx.AsyncClient, database: Database, ada: Person, value: str
) -> None:
    async with database.transaction() as session:
        by = Actor(ada.id, user_agent=value)
        await trail.record(session, Action.SERVICE_UPDATED, object_type="x", object_name=value, actor=by)
    answer = await client.get("/api/v1/audit.csv?action=service.updated", headers=ada.headers)
    (row,) = parsed(answer.text)
    assert row["object_name"] == row["user_agent"] == f"'{value}"


@pytest.mark.parametrize("value", ["", "tides", "a=b", "1-2", "a@example.com", '{"a":"=1"}', "—"])
def test_what_is_no_formula_stays(value: str) -> None:
    assert harmless(value) == value


async def test_fifty_thousand_rows(
    client: httpx.AsyncClient, database: Database, ada: Person, user_factory: UserFactory
) -> None:
    count = 50_000
    admin = await user_factory(roles=("user", "admin"))
    many = f"""
        INSERT INTO audit_events (id, created_at, action, result, user_id, project_id, user_agent, after)
        SELECT gen_random_uuid(), now() - n * interval '1 second', 'service.updated', 'done', '{ada.id}',
               '{ada.project_id}', repeat('x', 200), jsonb_build_object('n', n)
        FROM generate_series(1, {count}) n
    """
    async with database.transaction() as session:
        await session.execute(text(many))
    for person, path in ((ada, "audit"), (admin, "admin/audit")):
        answer = await client.get(
            f"/api/v1/{path}.csv", params={"action": "service.updated"}, headers=person.headers
        )
        rows = parsed(answer.text)
        assert len(rows) == count
        assert len({row["id"] for row in rows}) == count
        times = [row["created_at"] for row in rows]
        assert times == sorted(times, reverse=True)


async def test_memory_holds_a_part_only(database: Database) -> None:
    many = """
        INSERT INTO audit_events (id, action, result, user_agent, after)
        SELECT gen_random_uuid(), 'service.updated', 'done', repeat('x', 400),
               jsonb_build_object('text', repeat('y', 1000))
        FROM generate_series(1, 10000)
    """
    async with database.transaction() as session:
        await session.execute(text(many))
    pool = await database.reader()
    total = 0
    tracemalloc.start()
    try:
        async for chunk in export.lines(pool, EVENTS, {"action": Action.SERVICE_UPDATED}):
            total += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total > 15_000_000
    assert peak < total / 2


class Counting:
    """A pool that knows what it was asked."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool, self.asked = pool, 0

    async def fetch(self, sql: str, *values: Any) -> Any:
        self.asked += 1
        return await self.pool.fetch(sql, *values)


async def test_statements_do_not_grow_with_people(database: Database, user_factory: UserFactory) -> None:
    """Names come with the rows: one statement for each part of the file."""
    for _ in range(5):
        person = await user_factory()
        async with database.transaction() as session:
            actor, project = Actor(person.id), person.project_id
            await trail.record(session, Action.SERVICE_UPDATED, project_id=project, actor=actor)
    pool = Counting(await database.reader())
    parts = export.lines(pool, EVENTS, {"action": Action.SERVICE_UPDATED})  # type: ignore[arg-type]
    body = b"".join([part async for part in parts]).decode()
    assert len({row["user_email"] for row in parsed(body)} - {""}) == 5
    assert pool.asked == 1
