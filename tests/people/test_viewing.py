"""View-as: a supporter sees what the customer sees, for a while, on record, and changes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from backend import retention
from backend.database import Database
from backend.oauth import sessions
from backend.roles.permissions import VIEWABLE
from tests.api.operations import BODIES, FORMS, operations
from tests.identity.oauth import parts_of
from tests.people.conftest import Json, Speaker
from tests.support.people import Person, UserFactory

Recorded = Callable[[str], Awaitable[list[Any]]]
WHY: Json = {"reason": "Ticket 204: no deployment"}


@pytest.fixture
async def helper(user_factory: UserFactory) -> Person:
    return await user_factory(name="Helper", roles=("user", "support"))


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory(name="Ada")


@pytest.fixture
async def seen(ask: Speaker, helper: Person, ada: Person) -> str:
    """The token of a supporter who looks at Ada's account."""
    started = await ask.ok(helper, "POST", f"/admin/users/{ada.id}/view-as", WHY)
    return str(started["access_token"])


async def test_sees_what_the_customer_sees(
    ask: Speaker, helper: Person, ada: Person, seen: str, letters: Callable[[str], Awaitable[list[Any]]]
) -> None:
    me = await ask.ok(seen, "GET", "/me")
    assert (me["id"], me["email"]) == (str(ada.id), ada.email)
    assert set(me["permissions"]) == VIEWABLE
    assert [one["id"] for one in me["projects"]] == [str(ada.project_id)]
    assert (await ask(seen, "GET", "/services")).is_success
    claims = parts_of(seen)[1]
    assert (claims["sub"], claims["act"]) == (str(ada.id), {"sub": str(helper.id)})
    assert claims["exp"] - claims["iat"] == 900
    assert [name for name, _, _ in await letters(ada.email)] == ["account_viewed"]


async def test_changes_nothing(
    ask: Speaker, app: FastAPI, client: httpx.AsyncClient, ada: Person, seen: str, database: Database
) -> None:
    """Whatever operation there is: none that writes is done, and none that only administrators may."""

    async def everything() -> list[Any]:
        tables = ("users", "projects", "project_members", "project_invitations", "services", "oauth_sessions")
        async with database.transaction() as session:
            return [
                sorted((await session.execute(text(f"SELECT t::text FROM {table} t"))).scalars())
                for table in tables
            ]

    before = await everything()
    ids = {"project_id": str(ada.project_id), "user_id": str(ada.id), "role_name": "user"}
    tried = 0
    for operation in operations(app):
        if "security" not in operation.document or operation.id in FORMS:
            continue
        if operation.method == "GET" and not operation.is_admin:
            continue
        path = operation.at({name: ids.get(name, str(uuid4())) for name in operation.ids})
        body = BODIES[operation.id]() if operation.id in BODIES else None
        answer = await client.request(
            operation.method, path, json=body, headers={"Authorization": f"Bearer {seen}"}
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "view_only"), operation.id
        tried += 1
    assert tried > 30
    assert await everything() == before


async def test_is_not_renewed(ask: Speaker, client: httpx.AsyncClient, seen: str, database: Database) -> None:
    form = {"grant_type": "refresh_token", "client_id": "cli", "refresh_token": seen}
    assert (await client.post("/oauth/token", data=form)).status_code == 400
    session_id = UUID(parts_of(seen)[1]["sid"])
    async with database.transaction() as session:
        count = text("SELECT count(*) FROM oauth_refresh_tokens WHERE session_id = :id")
        assert (await session.execute(count, {"id": session_id})).scalar_one() == 0


async def test_ends_on_time(ask: Speaker, seen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await ask(seen, "GET", "/me")).is_success
    later = time.time() + 901
    monkeypatch.setattr(time, "time", lambda: later)
    assert await ask.refused(seen, "GET", "/me") == (401, "invalid_token")


async def test_its_session_ends_on_time(ask: Speaker, seen: str, database: Database) -> None:
    """Even if the token would say otherwise."""
    async with database.transaction() as session:
        await session.execute(
            text("UPDATE oauth_sessions SET expires_at = now() WHERE acting_id IS NOT NULL")
        )
    assert await ask.refused(seen, "GET", "/me") == (401, "session_ended")


async def until_ended(ask: Speaker, token: str) -> None:
    async with asyncio.timeout(30):
        while (await ask(token, "GET", "/me")).status_code != 401:
            await asyncio.sleep(0.002)


async def test_left(ask: Speaker, helper: Person, ada: Person, seen: str, recorded: Recorded) -> None:
    assert (await ask(seen, "GET", "/me")).is_success
    there = f"/admin/users/{ada.id}/view-as"
    await ask.ok(helper, "DELETE", there)
    await until_ended(ask, seen)
    await ask.ok(helper, "DELETE", there)
    assert len(await recorded("view_as.ended")) == 1
    assert (await ask(ada, "GET", "/me")).is_success


async def test_runs_out_by_itself(
    ask: Speaker, helper: Person, ada: Person, seen: str, database: Database, recorded: Recorded
) -> None:
    """The sweep records the end, once, as of when it was; whoever leaves after that ends nothing."""
    session_id = UUID(parts_of(seen)[1]["sid"])
    async with database.transaction() as session:
        earlier = (
            "UPDATE oauth_sessions SET expires_at = now() - interval '1 hour' WHERE id = :id"
            " RETURNING expires_at"
        )
        ran_out = (await session.execute(text(earlier), {"id": session_id})).scalar_one()
        # Nobody else removes it before that.
        assert await sessions.prune(session) == 0
    swept = await asyncio.gather(retention.sweep(database), retention.sweep(database))
    await retention.sweep(database)
    assert sum(one.get("views of accounts", 0) for one in swept) == 1
    await ask.ok(helper, "DELETE", f"/admin/users/{ada.id}/view-as")
    (event,) = await recorded("view_as.ended")
    assert (event.created_at, event.session_id) == (ran_out, session_id)
    assert (event.user_id, event.acting_id, event.object_id) == (ada.id, helper.id, str(ada.id))
    async with database.transaction() as session:
        count = text("SELECT count(*) FROM oauth_sessions WHERE id = :id")
        assert (await session.execute(count, {"id": session_id})).scalar_one() == 0


async def test_one_at_a_time(
    ask: Speaker, helper: Person, seen: str, user_factory: UserFactory, recorded: Recorded
) -> None:
    bob = await user_factory()
    assert (await ask(seen, "GET", "/me")).is_success
    await ask.ok(helper, "POST", f"/admin/users/{bob.id}/view-as", {**WHY, "letter": False})
    await until_ended(ask, seen)
    assert len(await recorded("view_as.ended")) == 1


async def test_ends_with_the_supporters_right(
    ask: Speaker, helper: Person, seen: str, user_factory: UserFactory
) -> None:
    chief = await user_factory(roles=("user", "admin"))
    assert (await ask(seen, "GET", "/me")).is_success
    await ask.ok(chief, "PUT", f"/admin/users/{helper.id}/roles", {"roles": ["user"]})
    await until_ended(ask, seen)
    await ask.ok(chief, "PUT", f"/admin/users/{helper.id}/roles", {"roles": ["user", "support"]})
    async with asyncio.timeout(30):
        while not (await ask(seen, "GET", "/me")).is_success:
            await asyncio.sleep(0.002)
    await ask.ok(chief, "PATCH", f"/admin/users/{helper.id}", {"active": False, "reason": "Gone"})
    await until_ended(ask, seen)


async def test_ends_when_the_user_is_blocked(
    ask: Speaker, helper: Person, ada: Person, seen: str, user_factory: UserFactory
) -> None:
    chief = await user_factory(roles=("user", "admin"))
    await ask.ok(chief, "PATCH", f"/admin/users/{ada.id}", {"active": False, "reason": "Spam"})
    await until_ended(ask, seen)
    there = f"/admin/users/{ada.id}/view-as"
    assert await ask.refused(helper, "POST", there, WHY) == (409, "account_blocked")


async def test_whom_nobody_may_look_at(
    ask: Speaker, helper: Person, ada: Person, seen: str, user_factory: UserFactory
) -> None:
    chief = await user_factory(roles=("user", "admin"))
    start = "/admin/users/{}/view-as"
    assert await ask.refused(helper, "POST", start.format(chief.id), WHY) == (403, "outranked")
    assert await ask.refused(helper, "POST", start.format(helper.id), WHY) == (409, "own_account")
    assert await ask.refused(helper, "POST", start.format(uuid4()), WHY) == (404, "not_found")
    assert await ask.refused(ada, "POST", start.format(helper.id), WHY) == (403, "permission_missing")
    assert (await ask.refused(helper, "POST", start.format(ada.id), {}))[0] == 422
    # Looking does not open further doors.
    assert await ask.refused(seen, "POST", start.format(chief.id), WHY) == (403, "view_only")


async def test_on_record(ask: Speaker, helper: Person, ada: Person, seen: str, recorded: Recorded) -> None:
    for _ in range(3):
        await ask(seen, "GET", "/services")
    await ask(seen, "PATCH", "/me", {"name": "Eve"})
    (started,) = await recorded("view_as.started")
    assert (started.user_id, started.acting_id, started.object_name) == (ada.id, helper.id, ada.email)
    assert started.after["reason"] == WHY["reason"]
    looks = await recorded("view_as.looked")
    assert [(one.object_name, one.result) for one in looks] == [
        ("GET /api/v1/services", "done"),
        ("PATCH /api/v1/me", "refused"),
    ]
    assert {(one.user_id, one.acting_id) for one in looks} == {(ada.id, helper.id)}
    mine = (await ask.ok(ada, "GET", "/audit"))["items"]
    assert {"view_as.started", "view_as.looked"} <= {one["action"] for one in mine}


async def test_the_customers_sessions_do_not_show_it(
    ask: Speaker, helper: Person, ada: Person, seen: str
) -> None:
    assert (await ask.ok(helper, "GET", f"/admin/users/{ada.id}"))["sessions"] == 1
