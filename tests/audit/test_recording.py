"""What is written down of each change, and what is not: nothing of what failed, nothing secret."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select, text, update

from backend.audit import trail
from backend.audit.actions import Action
from backend.audit.actor import Actor, asking
from backend.audit.models import AuditEvent
from backend.catalogue.loading import load
from backend.config import Settings
from backend.database import Database
from backend.oauth import sessions
from backend.oauth.models import OAuthSession, RefreshToken
from backend.users.administrator import create_admin
from tests.api.operations import order_body
from tests.identity.oauth import ORIGIN, REVOKE, refresh, sign_in
from tests.support.people import PASSWORD, Person, UserFactory

Trail = Callable[..., Awaitable[Sequence[AuditEvent]]]
FROM = {
    "User-Agent": "a lighthouse/1.0",
    "X-Forwarded-For": "203.0.113.9",
    "X-Request-Id": "a-request-of-ours",
}


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory(name="Ada")


@pytest.fixture
def events(database: Database) -> Trail:
    async def read(*actions: Action, **where: Any) -> Sequence[AuditEvent]:
        statement = select(AuditEvent).filter_by(**where).order_by(AuditEvent.created_at, AuditEvent.id)
        if actions:
            statement = statement.where(AuditEvent.action.in_(actions))
        async with database.session() as session:
            return (await session.execute(statement)).scalars().all()

    return read


@pytest.fixture
async def service(client: httpx.AsyncClient, ada: Person) -> dict[str, str]:
    body = order_body() | {"variables": {"TOKEN": "hidden-value", "PLAIN": "x"}}
    answer = await client.post("/api/v1/orders", json=body, headers={**ada.headers, **FROM})
    assert answer.status_code == 202, answer.text
    return {**answer.json(), "name": body["name"]}


class TestServices:
    async def test_an_order(self, service: dict[str, str], events: Trail, ada: Person) -> None:
        (event,) = await events(Action.SERVICE_ORDERED)
        assert (event.user_id, event.acting_id, event.client_id) == (ada.id, None, "cli")
        assert (event.session_id, event.address) == (ada.session_id, "203.0.113.9")
        assert (event.user_agent, event.request_id) == ("a lighthouse/1.0", "a-request-of-ours")
        assert (event.object_type, event.object_id) == ("service", service["service_id"])
        assert (event.object_name, event.project_id) == (service["name"], ada.project_id)
        assert event.result == "done"
        assert event.after is not None
        assert event.after["variables"] == ["PLAIN", "TOKEN"]
        assert event.after["plan_id"] == "dinghy"
        assert await events(Action.SERVICE_DEPLOYED) == []

    async def test_changes(
        self, client: httpx.AsyncClient, service: dict[str, str], events: Trail, ada: Person
    ) -> None:
        path = f"/api/v1/services/{service['service_id']}"
        body = {"source": {"repo_url": "https://git.example.com/b.git"}, "plan_id": "dinghy"}
        for _ in range(2):
            assert (await client.patch(path, json=body, headers=ada.headers)).status_code == 200
        # The second changed nothing.
        (event,) = await events(Action.SERVICE_UPDATED)
        assert event.before == {"repo_url": "https://git.example.com/a.git"}
        assert event.after == {"repo_url": "https://git.example.com/b.git"}

    async def test_variables_by_name_only(
        self, client: httpx.AsyncClient, service: dict[str, str], events: Trail, ada: Person
    ) -> None:
        path = f"/api/v1/services/{service['service_id']}/variables"
        body = {"variables": {"TOKEN": None, "NEW": "another-hidden-value"}}
        assert (await client.put(path, json=body, headers=ada.headers)).status_code == 200
        (event,) = await events(Action.SERVICE_VARIABLES_REPLACED)
        assert event.before == {"variables": ["PLAIN", "TOKEN"]}
        assert event.after == {"variables": ["NEW", "TOKEN"], "set": ["NEW"]}
        for row in await events():
            assert "hidden-value" not in f"{row.before}{row.after}"

    async def test_work_that_is_asked_for(
        self,
        client: httpx.AsyncClient,
        service: dict[str, str],
        events: Trail,
        ada: Person,
        database: Database,
    ) -> None:
        identity, path = service["service_id"], f"/api/v1/services/{service['service_id']}"
        assert (await client.post(f"{path}/start", headers=ada.headers)).status_code == 409
        live = "UPDATE services SET live_deployment_id = :deployment"
        async with database.transaction() as session:
            await session.execute(text(live), {"deployment": service["deployment_id"]})
        for verb in ("stop", "start", "restart", "deployments"):
            assert (await client.post(f"{path}/{verb}", headers=ada.headers)).status_code == 202
        assert (await client.delete(path, headers=ada.headers)).status_code == 202
        found = await events(object_type="service", object_id=identity)
        assert [event.action for event in found] == [
            Action.SERVICE_ORDERED,
            Action.SERVICE_STOPPED,
            Action.SERVICE_STARTED,
            Action.SERVICE_RESTARTED,
            Action.SERVICE_DEPLOYED,
            Action.SERVICE_DELETED,
        ]
        assert {event.project_id for event in found} == {ada.project_id}

    async def test_a_repeated_request_is_one_event(
        self, client: httpx.AsyncClient, events: Trail, ada: Person
    ) -> None:
        headers, body = {**ada.headers, "Idempotency-Key": uuid4().hex}, order_body()
        for _ in range(3):
            answer = await client.post("/api/v1/orders", json=body, headers=headers)
            assert answer.status_code == 202
        assert len(await events(Action.SERVICE_ORDERED)) == 1

    async def test_a_cancelled_job(
        self, client: httpx.AsyncClient, service: dict[str, str], events: Trail, ada: Person
    ) -> None:
        path = f"/api/v1/jobs/{service['job_id']}/cancel"
        assert (await client.post(path, headers=ada.headers)).status_code == 202
        assert (await client.post(path, headers=ada.headers)).status_code == 409
        (event,) = await events(Action.JOB_CANCELLED)
        assert (event.object_id, event.object_name) == (service["job_id"], "service.deploy")
        assert event.project_id == ada.project_id


class TestSigningIn:
    async def test_in_and_out(self, client: httpx.AsyncClient, events: Trail, ada: Person) -> None:
        token = (await sign_in(client, ada, headers=FROM)).json()["refresh_token"]
        started = (await events(Action.SESSION_STARTED, user_id=ada.id))[-1]
        assert (started.client_id, started.address) == ("cli", "203.0.113.9")
        assert started.user_agent == "a lighthouse/1.0"
        assert started.session_id == UUID(started.object_id)
        await client.post(REVOKE, data={"token": token, "client_id": "cli"}, headers=FROM)
        (ended,) = await events(Action.SESSION_ENDED)
        assert (ended.user_id, ended.client_id, ended.object_id) == (ada.id, "cli", started.object_id)
        assert (ended.address, ended.result) == ("203.0.113.9", "done")
        assert ended.after == {"reason": "signed_out"}
        for event in await events():
            assert token not in f"{event.before}{event.after}{event.object_name}"

    async def test_a_wrong_password(self, client: httpx.AsyncClient, events: Trail, ada: Person) -> None:
        assert (await sign_in(client, ada, "hidden-guess", headers=FROM)).status_code == 400
        (event,) = await events(Action.SESSION_REFUSED)
        assert (event.user_id, event.result, event.address) == (ada.id, "refused", "203.0.113.9")
        assert (event.client_id, event.session_id) == ("cli", None)
        assert event.after == {"reason": "wrong_password"}

    async def test_an_unknown_account(self, client: httpx.AsyncClient, events: Trail) -> None:
        """An event too, so that it takes as long; what was typed may be a password."""
        assert (await sign_in(client, "hidden@example.com", headers=FROM)).status_code == 400
        (event,) = await events(Action.SESSION_REFUSED)
        assert (event.user_id, event.object_type, event.address) == (None, None, "203.0.113.9")
        assert "hidden" not in f"{event.after}{event.object_name}"

    async def test_a_blocked_account(
        self, client: httpx.AsyncClient, events: Trail, ada: Person, database: Database
    ) -> None:
        async with database.transaction() as session:
            await session.execute(text("UPDATE users SET is_active = false"))
        assert (await sign_in(client, ada)).status_code == 400
        (event,) = await events(Action.SESSION_REFUSED)
        assert event.after == {"reason": "blocked"}

    async def test_a_stolen_refresh_token(
        self, client: httpx.AsyncClient, events: Trail, ada: Person, database: Database
    ) -> None:
        assert (await refresh(client, ada.refresh_token)).status_code == 200
        async with database.transaction() as session:
            long_ago = RefreshToken.used_at - sessions.GRACE * 2
            await session.execute(update(RefreshToken).values(used_at=long_ago))
        assert (await refresh(client, ada.refresh_token, headers=FROM)).status_code == 400
        (event,) = await events(Action.SESSION_TOKEN_REUSED)
        assert (event.user_id, event.object_id) == (ada.id, str(ada.session_id))
        assert (event.result, event.address) == ("refused", "203.0.113.9")


class TestAccounts:
    async def test_registration(self, client: httpx.AsyncClient, events: Trail) -> None:
        body = {"email": "grace@example.com", "password": PASSWORD, "name": "Grace", "locale": "ru"}
        answer = await client.post("/api/v1/users", json=body, headers={**FROM, **ORIGIN})
        assert answer.status_code == 202, answer.text
        (event,) = await events(Action.USER_REGISTERED)
        assert str(event.user_id) == event.object_id
        assert (event.object_name, event.address) == ("grace@example.com", "203.0.113.9")
        assert event.after == {"locale": "ru", "roles": ["user"]}

    async def test_only_what_changed(self, client: httpx.AsyncClient, events: Trail, ada: Person) -> None:
        for _ in range(2):
            body = {"name": "Ada", "locale": "ru"}
            assert (await client.patch("/api/v1/me", json=body, headers=ada.headers)).status_code == 200
        (event,) = await events(Action.USER_UPDATED)
        assert (event.before, event.after) == ({"locale": "en"}, {"locale": "ru"})

    async def test_an_administrator_by_the_command_line(
        self, events: Trail, ada: Person, database: Database
    ) -> None:
        for email in ("root@localhost", ada.email, ada.email):
            async with database.transaction() as session:
                await create_admin(session, email)
        (made,) = await events(Action.USER_REGISTERED, object_name="root@localhost")
        assert (made.user_id, made.address, made.client_id) == (None, None, None)
        assert made.after is not None
        assert made.after["roles"] == ["user", "admin"]
        (promoted,) = await events(Action.USER_ROLES_CHANGED)
        assert (promoted.user_id, promoted.object_id) == (None, str(ada.id))

    async def test_the_catalogue_by_the_command_line(
        self, events: Trail, database: Database, settings: Settings
    ) -> None:
        before = len(await events(Action.CATALOGUE_CHANGED))
        async with database.transaction() as session:
            await session.execute(text("UPDATE plans SET pids = 1, active = false WHERE id = 'dinghy'"))
            await load(session, settings)
        async with database.transaction() as session:
            await load(session, settings)
        changed = await events(Action.CATALOGUE_CHANGED)
        assert len(changed) == before + 1
        assert changed[-1].before == {"plan.dinghy.pids": 1, "plan.dinghy.active": False}
        assert changed[-1].user_id is None


async def test_somebody_who_looks_as_the_customer(
    client: httpx.AsyncClient, events: Trail, ada: Person, user_factory: UserFactory, database: Database
) -> None:
    """Whose account, and who it was really; by the session, not by what the request says."""
    supporter = await user_factory(roles=("user", "admin"))
    async with database.transaction() as session:
        mine = update(OAuthSession).where(OAuthSession.id == ada.session_id)
        await session.execute(mine.values(acting_id=supporter.id))
    await client.get("/api/v1/me", headers=ada.headers)
    async with database.transaction() as session:
        token = asking.set(lambda: Actor(ada.id, supporter.id, "panel", ada.session_id))
        await trail.record(session, Action.SERVICE_UPDATED)
        asking.reset(token)
        await sessions.revoke(session, ada.session_id, "ended")
    (event,) = await events(Action.SERVICE_UPDATED)
    assert (event.user_id, event.acting_id) == (ada.id, supporter.id)
    (ended,) = await events(Action.SESSION_ENDED)
    assert (ended.user_id, ended.acting_id) == (ada.id, supporter.id)


class TestNothing:
    async def test_of_what_was_rolled_back(self, events: Trail, database: Database) -> None:
        with suppress(ZeroDivisionError):
            async with database.transaction() as session:
                await trail.record(session, Action.SERVICE_UPDATED)
                _ = 1 / 0
        assert await events(Action.SERVICE_UPDATED) == []

    async def test_of_what_was_refused(
        self, client: httpx.AsyncClient, service: dict[str, str], events: Trail, ada: Person
    ) -> None:
        before = len(await events())
        path = f"/api/v1/services/{service['service_id']}"
        body = order_body() | {"name": service["name"]}
        for method, where, sent, status in (
            ("POST", "/api/v1/orders", body, 409),
            ("POST", "/api/v1/orders", order_body() | {"plan_id": "none"}, 422),
            ("PATCH", path, {"health_path": "/ok", "plan_id": "none"}, 422),
            ("PUT", f"{path}/variables", {"variables": {"NONE": None}}, 422),
            ("POST", f"{path}/restart", {}, 409),
            ("PATCH", f"/api/v1/services/{uuid4()}", {"health_path": "/ok"}, 404),
            ("PATCH", "/api/v1/me", {"name": ""}, 422),
        ):
            answer = await client.request(method, where, json=sent, headers=ada.headers)
            assert answer.status_code == status, answer.text
        assert len(await events()) == before


class TestHostile:
    @pytest.mark.parametrize(
        "text_",
        [
            "x" * 100_000,
            "💣" * 5_000,
            "\0\0",
            "a\0b",
            "\ud800",
            "\u202e abc",
            "",
            "<script>",
            "ж" * 401,
            "\x1b[2J",
        ],
        ids=lambda value: ascii(value[:8]),
    )
    async def test_texts(self, events: Trail, database: Database, text_: str) -> None:
        nested: dict[str, Any] = {"a": [text_, {text_: text_}], text_: text_, "many": [text_] * 300}
        async with database.transaction() as session:
            by = Actor(user_agent=text_)
            await trail.record(
                session,
                Action.SERVICE_UPDATED,
                object_type="x",
                object_id=text_,
                object_name=text_,
                before=nested,
                after=nested,
                actor=by,
            )
        (event,) = await events(Action.SERVICE_UPDATED)
        for value, longest in ((event.user_agent, 400), (event.object_name, 200), (event.object_id, 64)):
            assert value is not None
            assert len(value) <= longest
            assert "\0" not in value
        assert event.before == event.after
        assert event.after is not None
        assert len(event.after["many"]) <= 200
        assert len(event.after["a"][0]) <= 1000

    @pytest.mark.parametrize("agent", ["x" * 8_000, "\xe9" * 500, "тест".encode().decode("latin-1")])
    async def test_user_agents(
        self, client: httpx.AsyncClient, events: Trail, ada: Person, agent: str
    ) -> None:
        headers = {**ada.headers, "User-Agent": agent.encode("latin-1")}
        answer = await client.patch("/api/v1/me", json={"name": "💣" * 100}, headers=headers)
        assert answer.status_code == 200
        (event,) = await events(Action.USER_UPDATED)
        assert event.user_agent is not None
        assert len(event.user_agent) <= 400
        assert event.after == {"name": "💣" * 100}

    async def test_what_looks_secret_is_cut_out(self, events: Trail, database: Database) -> None:
        async with database.transaction() as session:
            await trail.record(
                session,
                Action.SERVICE_UPDATED,
                before={"password": "hidden", "refresh_token": "hidden", "a": {"client_secret": "hidden"}},
                after={
                    "repo_url": "https://me:hidden@git.example.com/a.git",
                    "said": "Authorization: Bearer hidden.hidden",
                    "secret_rotated": True,
                    "token_name": "deploys",
                },
            )
        (event,) = await events(Action.SERVICE_UPDATED)
        assert "hidden" not in f"{event.before}{event.after}"
        assert event.after is not None
        assert (event.after["secret_rotated"], event.after["token_name"]) == (True, "deploys")
        assert event.after["repo_url"].startswith("https://")
