"""Profile, taking one's data along, and deleting the account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from backend.config import Settings
from backend.database import Database
from backend.projects.membership import add_member
from tests.api.operations import order_body
from tests.identity.oauth import me, sign_in
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, Person, UserFactory

EXPORT, DELETE = "/me/export", "/me/deletion"


async def test_a_time_zone_by_its_name(ada: Person, as_person) -> None:  # type: ignore[no-untyped-def]
    for zone in ("Europe/Moscow", "America/Argentina/Buenos_Aires", "UTC", None):
        answer = await as_person(ada, "PATCH", "/me", {"time_zone": zone})
        assert (answer.status_code, answer.json()["time_zone"]) == (200, zone)


@pytest.mark.parametrize(
    "zone",
    ["", "Moscow", "europe/moscow", "EST", "posix/UTC", "../../etc/passwd", "/etc/passwd", "Europe/", 3],
)
async def test_what_is_no_time_zone(ada: Person, as_person, zone: object) -> None:  # type: ignore[no-untyped-def]
    answer = await as_person(ada, "PATCH", "/me", {"time_zone": zone})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "time_zone"]


class TestExport:
    async def test_is_everything_of_mine_and_nothing_else(  # type: ignore[no-untyped-def]
        self, client: httpx.AsyncClient, ada: Person, eve: Person, as_person, recorded
    ) -> None:
        body = order_body()
        assert (await as_person(ada, "POST", "/orders", body)).status_code == 202
        theirs = (await as_person(eve, "POST", "/orders", order_body())).json()["service_id"]
        await sign_in(client, ada)
        answer = await as_person(ada, "GET", EXPORT)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["content-disposition"].startswith('attachment; filename="gavan-')
        data: dict[str, Any] = answer.json()
        (account,) = data["account"]
        assert (account["id"], account["email"], account["name"]) == (str(ada.id), ada.email, "Ada Lovelace")
        assert [row["role"] for row in data["roles"]] == ["user"]
        assert [row["id"] for row in data["projects"]] == [str(ada.project_id)]
        assert [row["name"] for row in data["services"]] == [body["name"]]
        assert len(data["orders"]) == len(data["jobs"]) == 1
        assert len(data["sessions"]) == 2
        assert "service.ordered" in [row["action"] for row in data["audit_events"]]
        for foreign in (eve.email, str(eve.id), theirs, "$argon2", "a value", ada.refresh_token):
            assert foreign not in answer.text
        assert len(await recorded("user.exported")) == 1

    async def test_is_read_in_batches(self, ada: Person, as_person, database: Database) -> None:  # type: ignore[no-untyped-def]
        async with database.transaction() as session:
            await session.execute(
                text(
                    "INSERT INTO audit_events (id, action, result, user_id)"
                    " SELECT gen_random_uuid(), 'job.cancelled', 'done', :ada FROM generate_series(1, 1234)"
                ),
                {"ada": ada.id},
            )
        events = (await as_person(ada, "GET", EXPORT)).json()["audit_events"]
        assert len({row["id"] for row in events if row["action"] == "job.cancelled"}) == 1234


class TestDeletion:
    async def test_leaves_nothing_of_the_person_but_what_they_did(  # type: ignore[no-untyped-def]
        self,
        client: httpx.AsyncClient,
        ada: Person,
        as_person,
        mailbox: Mailbox,
        recorded,
        database: Database,
    ) -> None:
        answer = await as_person(ada, "POST", DELETE, {"password": PASSWORD})
        assert (answer.status_code, answer.json()) == (200, {"email": ada.email})
        assert (await me(client, ada.access_token)).status_code == 401
        assert (await sign_in(client, ada)).status_code == 400
        await mailbox.letter(to=ada.email, template="account_deleted")
        (event,) = await recorded("user.deleted")
        assert (event.user_id, event.object_name) == (ada.id, ada.email)
        async with database.session() as session:
            for table in ("users", "oauth_sessions", "project_members", "user_roles", "verification_codes"):
                counted = (await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
                assert counted == 0, table
            names = (await session.execute(text("SELECT name FROM projects"))).scalars().all()
        assert names == ["—"]
        body = {"email": ada.email, "password": "seven gulls over the quay"}
        await client.post("/api/v1/users", json=body)
        assert (await sign_in(client, ada, body["password"])).status_code == 200

    async def test_not_while_somebody_depends_on_it(  # type: ignore[no-untyped-def]
        self, ada: Person, eve: Person, as_person, database: Database
    ) -> None:
        await as_person(ada, "POST", "/orders", order_body())
        shared = (await as_person(ada, "POST", "/projects", {"name": "Shared"})).json()["id"]
        async with database.transaction() as session:
            await add_member(session, shared, eve.id, "developer")
        answer = await as_person(ada, "POST", DELETE, {"password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (409, "projects_in_the_way")
        found = {error["loc"][1]: error["code"] for error in answer.json()["errors"]}
        assert found == {str(ada.project_id): "project_in_use", shared: "last_owner"}
        # A member goes, and the project stays.
        assert (await as_person(eve, "POST", DELETE, {"password": PASSWORD})).status_code == 200
        assert [row["name"] for row in (await as_person(ada, "GET", "/projects")).json()["items"]] == [
            "Ada Lovelace",
            "Shared",
        ]

    async def test_an_order_at_the_same_moment(self, ada: Person, as_person, database: Database) -> None:  # type: ignore[no-untyped-def]
        deleted, ordered = await asyncio.gather(
            as_person(ada, "POST", DELETE, {"password": PASSWORD}),
            as_person(ada, "POST", "/orders", order_body()),
        )
        async with database.session() as session:
            orphans = await session.execute(
                text(
                    "SELECT count(*) FROM services s JOIN projects p ON p.id = s.project_id"
                    " WHERE s.deleted_at IS NULL AND p.deleted_at IS NOT NULL"
                )
            )
        assert orphans.scalar_one() == 0
        assert (deleted.status_code, ordered.status_code) in [(200, 401), (200, 403), (200, 404), (409, 202)]

    async def test_needs_the_password(self, client, ada: Person, as_person) -> None:  # type: ignore[no-untyped-def]
        for body in ({"password": "not this one"}, {"password": ""}, {"password": None}, {}):
            assert (await as_person(ada, "POST", DELETE, body)).status_code == 422
        assert (await me(client, ada.access_token)).status_code == 200

    async def test_the_last_administrator_stays(self, user_factory: UserFactory, as_person) -> None:  # type: ignore[no-untyped-def]
        admin = await user_factory(roles=("user", "admin"))
        answer = await as_person(admin, "POST", DELETE, {"password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (409, "last_administrator")
        await user_factory(roles=("user", "admin"))
        assert (await as_person(admin, "POST", DELETE, {"password": PASSWORD})).status_code == 200


class TestProof:
    @pytest.fixture
    def settings(self, settings_of: Callable[..., Settings]) -> Settings:
        return settings_of(proof_minutes=1)

    @pytest.mark.parametrize(("method", "path"), [("GET", EXPORT), ("POST", DELETE)])
    async def test_has_to_be_recent(self, ada, as_person, database, method: str, path: str) -> None:  # type: ignore[no-untyped-def]
        async with database.transaction() as session:
            await session.execute(text("UPDATE oauth_sessions SET proved_at = now() - interval '2 minutes'"))
        answer = await as_person(ada, method, path, {"password": PASSWORD} if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (403, "proof_required")
