"""Who reads what of the trail, how it is filtered, and that every filter has an index."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, ClassVar

import httpx
import pytest
from sqlalchemy import delete, insert, text

from backend.audit import trail
from backend.audit.actions import Action
from backend.audit.actor import Actor
from backend.audit.models import AuditEvent
from backend.audit.views import EVENTS, OWN_EVENTS
from backend.dao.listing import Listing, Query
from backend.database import Database
from backend.projects.membership import add_member
from backend.users.models import User
from backend.utils.ids import new_id
from tests.support.people import Person, UserFactory

Json = dict[str, Any]


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory(name="Ada")


@pytest.fixture
async def eve(user_factory: UserFactory) -> Person:
    return await user_factory(name="Eve")


@pytest.fixture
async def admin(user_factory: UserFactory) -> Person:
    return await user_factory(name="Admin", roles=("user", "admin"))


async def record(database: Database, action: Action = Action.SERVICE_UPDATED, **values: Any) -> None:
    async with database.transaction() as session:
        await trail.record(session, action, **values)


async def read(client: httpx.AsyncClient, person: Person, path: str = "/audit", **params: Any) -> list[Json]:
    answer = await client.get(f"/api/v1{path}", params={"size": 100, **params}, headers=person.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]  # type: ignore[no-any-return]


def names(events: list[Json]) -> list[str]:
    return [event["object"]["name"] for event in events if event["action"] == Action.SERVICE_UPDATED]


async def test_a_row_says_everything(client: httpx.AsyncClient, database: Database, ada: Person) -> None:
    by = Actor(ada.id, None, "cli", ada.session_id, "192.0.2.7", "curl/8")
    service = new_id()
    await record(
        database,
        object_type="service",
        object_id=service,
        object_name="tides",
        project_id=ada.project_id,
        before={"plan_id": "dinghy"},
        after={"plan_id": "cutter"},
        actor=by,
    )
    (event,) = await read(client, ada, action=Action.SERVICE_UPDATED)
    assert event.pop("id")
    assert event.pop("created_at").endswith("Z")
    assert event == {
        "action": "service.updated",
        "result": "done",
        "user": {"id": str(ada.id), "name": "Ada", "email": ada.email, "deleted": False},
        "acting": None,
        "client": {"id": "cli", "name": "Scripts and command line"},
        "address": "192.0.2.7",
        "user_agent": "curl/8",
        "request_id": None,
        "project": {"id": str(ada.project_id), "name": "Ada"},
        "object": {"type": "service", "id": str(service), "name": "tides"},
        "before": {"plan_id": "dinghy"},
        "after": {"plan_id": "cutter"},
    }


class TestWhose:
    async def test_own_project_by_anyone_and_oneself_anywhere(
        self, client: httpx.AsyncClient, database: Database, ada: Person, eve: Person, admin: Person
    ) -> None:
        for name, project, user in (
            ("in Ada's by Ada", ada.project_id, ada.id),
            ("in Ada's by Eve", ada.project_id, eve.id),
            ("in Eve's by Ada", eve.project_id, ada.id),
            ("in Eve's by Eve", eve.project_id, eve.id),
            ("nowhere by Ada", None, ada.id),
            ("by the system", None, None),
        ):
            actor = Actor(user)
            await record(database, object_type="x", object_name=name, project_id=project, actor=actor)
        hers = ["nowhere by Ada", "in Eve's by Ada", "in Ada's by Eve", "in Ada's by Ada"]
        assert names(await read(client, ada)) == hers
        assert names(await read(client, ada, sort="created_at")) == hers[::-1]
        assert names(await read(client, ada, project_id=eve.project_id)) == ["in Eve's by Ada"]
        assert names(await read(client, ada, user_id=eve.id)) == ["in Ada's by Eve"]
        assert len(names(await read(client, admin, "/admin/audit"))) == 6
        assert names(await read(client, admin)) == []
        answer = await client.get("/api/v1/admin/audit", headers=ada.headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_missing")

    @pytest.mark.parametrize(
        ("role", "sees"), [("owner", True), ("developer", True), ("billing", False), ("viewer", False)]
    )
    async def test_by_the_role_in_the_project(
        self,
        client: httpx.AsyncClient,
        database: Database,
        ada: Person,
        eve: Person,
        role: str,
        sees: bool,
    ) -> None:
        async with database.transaction() as session:
            await add_member(session, ada.project_id, eve.id, role)
        await record(database, object_type="x", object_name="a", project_id=ada.project_id)
        assert names(await read(client, eve)) == (["a"] if sees else [])
        assert len(names(await read(client, eve, project_id=ada.project_id))) == sees

    async def test_a_token_without_the_scope(
        self, client: httpx.AsyncClient, user_factory: UserFactory
    ) -> None:
        person = await user_factory(scope="services:read", roles=("user", "admin"))
        for path in ("audit", "audit.csv", "admin/audit", "admin/audit.csv"):
            assert (await client.get(f"/api/v1/{path}", headers=person.headers)).status_code == 403


class TestActing:
    @pytest.fixture(autouse=True)
    async def _look(self, database: Database, ada: Person, admin: Person) -> None:
        by = Actor(ada.id, admin.id, "panel", new_id(), "198.51.100.9", "Browser")
        await record(database, object_type="x", object_name="a", project_id=ada.project_id, actor=by)

    async def test_the_customer_learns_who_but_not_from_where(
        self, client: httpx.AsyncClient, ada: Person, admin: Person
    ) -> None:
        (event,) = await read(client, ada, action=Action.SERVICE_UPDATED)
        assert event["user"]["id"] == str(ada.id)
        assert event["acting"] == {"id": str(admin.id), "name": "Admin", "email": None, "deleted": False}
        assert (event["address"], event["user_agent"]) == (None, None)
        assert await read(client, ada, address="198.51.100.9") == []
        text = (await client.get("/api/v1/audit.csv", headers=ada.headers)).text
        assert "198.51.100.9" not in text
        assert admin.email not in text

    async def test_an_administrator_learns_all(
        self, client: httpx.AsyncClient, ada: Person, admin: Person
    ) -> None:
        for filters in ({"acting_id": admin.id}, {"address": "198.51.100.9"}, {"user_id": ada.id}):
            events = await read(client, admin, "/admin/audit", action=Action.SERVICE_UPDATED, **filters)
            assert [event["acting"]["email"] for event in events] == [admin.email]
            assert events[0]["address"] == "198.51.100.9"


async def test_a_deleted_user_says_so(
    client: httpx.AsyncClient, database: Database, ada: Person, eve: Person, admin: Person
) -> None:
    actor = Actor(eve.id, eve.id)
    await record(database, object_type="x", object_name="a", project_id=ada.project_id, actor=actor)
    async with database.transaction() as session:
        await session.execute(delete(User).where(User.id == eve.id))
    for person, path in ((ada, "/audit"), (admin, "/admin/audit")):
        (event,) = await read(client, person, path, action=Action.SERVICE_UPDATED)
        gone = {"id": str(eve.id), "name": None, "email": None, "deleted": True}
        assert (event["user"], event["acting"]) == (gone, gone)


FILTERS: dict[str, Any] = {
    "action": Action.JOB_CANCELLED,
    "result": "refused",
    "object_type": "job",
    "object_id": "only-this",
    "address": "192.0.2.77",
}


@pytest.mark.parametrize("name", FILTERS)
async def test_filters(
    client: httpx.AsyncClient, database: Database, ada: Person, admin: Person, name: str
) -> None:
    value = FILTERS[name]
    plain: dict[str, Any] = {"action": Action.SERVICE_UPDATED, "object_type": "service", "object_id": "x"}
    for number in range(3):
        wanted = {name: value} if number == 1 and name != "address" else {}
        by = Actor(ada.id, address=FILTERS["address"] if name == "address" and number == 1 else "192.0.2.1")
        fields = {**plain, **wanted}
        await record(database, fields.pop("action"), object_name=str(number), actor=by, **fields)
    for person, path in ((ada, "/audit"), (admin, "/admin/audit")):
        events = await read(client, person, path, **{name: value})
        assert [event["object"]["name"] for event in events] == ["1"]


async def test_times(client: httpx.AsyncClient, database: Database, ada: Person) -> None:
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    rows = [
        {
            "id": new_id(),
            "created_at": at + timedelta(hours=hours),
            "action": Action.SERVICE_UPDATED,
            "result": "done",
            "user_id": ada.id,
            "object_type": "x",
            "object_name": str(hours),
        }
        for hours in range(4)
    ]
    async with database.transaction() as session:
        await session.execute(insert(AuditEvent), rows)
    hour = timedelta(hours=1)

    async def between(**moments: Any) -> list[str]:
        return names(await read(client, ada, action=Action.SERVICE_UPDATED, **moments))

    assert await between(since=(at + hour).isoformat()) == ["3", "2", "1"]
    assert await between(until=(at + hour).isoformat()) == ["0"]
    assert await between(since="2026-11-22T15:00:00+02:00", until="2026-11-22T14:00:00Z") == ["1"]
    for nonsense in (
        "2026-11-22T12:00:00",
        "yesterday",
        "0001-01-01T00:00:00+14:00",
        "1",
        "9999-12-31T23:59Z",
    ):
        for name in ("since", "until"):
            answer = await client.get("/api/v1/audit", params={name: nonsense}, headers=ada.headers)
            assert answer.status_code == 422, nonsense


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
async def test_pages(
    client: httpx.AsyncClient, database: Database, ada: Person, eve: Person, sort: str
) -> None:
    """Two projects and the own events, merged: each once and in order, forwards and back."""
    async with database.transaction() as session:
        await add_member(session, eve.project_id, ada.id, "owner")
    at = datetime(2026, 11, 22, tzinfo=UTC)
    async with database.transaction() as session:
        rows = [
            {
                "id": new_id(),
                # Of each moment there are three.
                "created_at": at + timedelta(seconds=number // 3),
                "action": Action.SERVICE_UPDATED,
                "result": "done",
                "user_id": (ada.id, eve.id)[number % 2],
                "project_id": (ada.project_id, eve.project_id, None)[number % 3],
            }
            for number in range(60)
        ]
        await session.execute(insert(AuditEvent), rows)
    visible = [row for row in rows if row["user_id"] == ada.id or row["project_id"]]
    expected = [str(row["id"]) for row in sorted(visible, key=lambda row: (row["created_at"], row["id"]))]
    if sort.startswith("-"):
        expected.reverse()
    params = {"sort": sort, "size": 7, "action": Action.SERVICE_UPDATED}
    found: list[list[str]] = []
    page: Json = {"next_page": None}
    while not found or page["next_page"]:
        asked = {**params, **({"cursor": page["next_page"]} if found else {})}
        page = (await client.get("/api/v1/audit", params=asked, headers=ada.headers)).json()
        found.append([event["id"] for event in page["items"]])
    assert list(chain(*found)) == expected
    while page["previous_page"]:
        found.pop()
        asked = {**params, "cursor": page["previous_page"]}
        page = (await client.get("/api/v1/audit", params=asked, headers=ada.headers)).json()
        assert [event["id"] for event in page["items"]] == found[-1]
    assert len(found) == 1


class TestIndexes:
    MANY = """
        INSERT INTO audit_events (id, created_at, action, result, user_id, acting_id, project_id, object_type,
                                  object_id, address)
        SELECT gen_random_uuid(), now() - n * interval '1 minute', 'action.' || n % 40,
               CASE WHEN n % 50 = 0 THEN 'refused' ELSE 'done' END,
               md5('u' || n % 500)::uuid, CASE WHEN n % 1000 = 0 THEN md5('u' || n % 7)::uuid END,
               md5('p' || n % 300)::uuid, 'type_' || n % 12, 'object-' || n % 5000, '192.0.2.' || n % 250
        FROM generate_series(1, 100000) n
    """
    VALUES: ClassVar[dict[str, Any]] = {
        "action": "action.7",
        "result": "refused",
        "object_type": "type_3",
        "object_id": "object-77",
        "address": "192.0.2.9",
        "user_id": "md5('u1')",
        "acting_id": "md5('u1')",
        "project_id": "md5('p1')",
    }

    async def test_every_filter_has_one(self, database: Database) -> None:
        async with database.transaction() as session:
            await session.execute(text(self.MANY))
        async with database.engine.connect() as connection:
            await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(
                text("VACUUM ANALYZE audit_events")
            )
        now = datetime.now(UTC)
        values: dict[str, Any] = {}
        for name, value in self.VALUES.items():
            hashed = str(value).startswith("md5")
            values[name] = str(await self.scalar(database, f"SELECT {value}::uuid")) if hashed else value
        ranges = {"since": now - timedelta(days=50), "until": now - timedelta(days=20)}
        projects = [await self.scalar(database, f"SELECT md5('p{number}')::uuid") for number in range(4)]
        whose = {"readable": [str(project) for project in projects], "own": values["user_id"]}
        asked: list[dict[str, Any]] = [
            {},
            ranges,
            *({name: value} for name, value in values.items()),
            *({name: value, **ranges} for name, value in values.items()),
            {"project_id": values["project_id"], "action": values["action"]},
            {"user_id": values["user_id"], "result": "done"},
        ]
        for filters in asked:
            for sort in ("created_at", "-created_at"):
                await self.check(database, EVENTS, sort, filters)
                await self.check(database, OWN_EVENTS, sort, {**filters, **whose})

    @staticmethod
    async def scalar(database: Database, statement: str) -> Any:
        async with database.session() as session:
            return (await session.execute(text(statement))).scalar_one()

    @staticmethod
    async def check(database: Database, listing: Listing, sort: str, filters: dict[str, Any]) -> None:
        """Few blocks are read to fill a page, and the table never from end to end."""
        sql, values = listing.statement(Query(sort, 20, None, filters))
        pool = await database.reader()
        lines = [row[0] for row in await pool.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", *values)]
        plan = "\n".join(lines)
        told = f"{sort} {filters}\n{plan}"
        assert "Seq Scan on audit_events" not in plan, told
        buffers = next(line for line in lines if "Buffers:" in line)
        read = sum(int(part.split("=")[1]) for part in buffers.split() if part.startswith(("hit=", "read=")))
        assert read < 1500, told
