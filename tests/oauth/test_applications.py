"""Applications of customers: who may have which, secrets and their rotation, and how they end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from backend.audit.models import AuditEvent
from backend.database import Database, now
from backend.oauth import applications
from backend.oauth.models import OAuthClient, OAuthSession
from tests.identity.oauth import me
from tests.oauth.flows import (
    BACK,
    Application,
    asked,
    code_for,
    decide,
    exchange,
    form_of,
    let_in,
    new_verifier,
    register,
)
from tests.support.people import Person

MINE = "/api/v1/me/applications"
NEW = {
    "name": "Tide calendar",
    "confidential": True,
    "grants": ["authorization_code"],
    "redirect_uris": [BACK],
    "scopes": ["me:read"],
}


async def test_the_life_of_one(client: httpx.AsyncClient, ada: Person, database: Database) -> None:
    answer = await client.post(MINE, json=NEW, headers=ada.headers)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["client_secret"].startswith("gavan_secret_")
    path = f"{MINE}/{made['id']}"
    shown = (await client.get(path, headers=ada.headers)).json()
    assert shown == {name: value for name, value in made.items() if name != "client_secret"}
    assert made["client_secret"] not in (await client.get(MINE, headers=ada.headers)).text
    change = {"name": "Moons", "scopes": ["services:read", "me:read", "me:read"]}
    changed = (await client.patch(path, json=change, headers=ada.headers)).json()
    assert (changed["name"], changed["scopes"]) == ("Moons", ["me:read", "services:read"])
    assert changed["redirect_uris"] == [BACK]
    assert (await client.delete(path, headers=ada.headers)).status_code == 204
    assert (await client.get(path, headers=ada.headers)).status_code == 404
    assert (await client.get(MINE, headers=ada.headers)).json()["items"] == []
    async with database.session() as session:
        events = (
            (await session.execute(select(AuditEvent).where(AuditEvent.object_type == "application")))
            .scalars()
            .all()
        )
    told = {event.action: event for event in events}
    assert list(told) == ["application.created", "application.updated", "application.deleted"]
    assert told["application.updated"].before == {"name": "Tide calendar", "scopes": ["me:read"]}
    assert all(event.user_id == ada.id for event in events)
    assert not any(made["client_secret"] in str((event.before, event.after)) for event in events)


async def test_somebody_elses_does_not_exist(
    client: httpx.AsyncClient, eve: Person, server_app: Application
) -> None:
    path = f"{MINE}/{server_app.id}"
    for method, where, body in (
        ("GET", path, None),
        ("PATCH", path, {"name": "Hers"}),
        ("POST", f"{path}/secret", {}),
        ("DELETE", path, None),
    ):
        answer = await client.request(method, where, json=body, headers=eve.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await client.get(MINE, headers=eve.headers)).json()["items"] == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "Bank\u202eknab"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"grants": []}, "grants"),
        ({"grants": ["password"]}, "grants"),
        ({"grants": ["refresh_token"]}, "grants"),
        ({"grants": ["client_credentials"], "confidential": False}, "grants"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["full"]}, "scopes"),
        ({"scopes": ["me:security"]}, "scopes"),
        ({"scopes": ["admin:jobs"]}, "scopes"),
        ({"scopes": ["nonsense"]}, "scopes"),
        ({"redirect_uris": []}, "redirect_uris"),
        ({"redirect_uris": [BACK] * 11}, "redirect_uris"),
        ({"redirect_uris": ["https://tides.example.com/back#x"]}, "redirect_uris"),
        ({"redirect_uris": ["http://tides.example.com/back"]}, "redirect_uris"),
        ({"redirect_uris": ["https://*.example.com/back"]}, "redirect_uris"),
        ({"redirect_uris": ["https://user@example.com/back"]}, "redirect_uris"),
        ({"redirect_uris": ["https:///back"]}, "redirect_uris"),
        ({"redirect_uris": ["https://example.com\\back"]}, "redirect_uris"),
        ({"redirect_uris": ["https://example.com/a b"]}, "redirect_uris"),
        ({"redirect_uris": ["https://пример.рф/"]}, "redirect_uris"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "redirect_uris"),
        ({"redirect_uris": ["data:text/html,x"]}, "redirect_uris"),
        ({"redirect_uris": ["file:///etc/passwd"]}, "redirect_uris"),
        ({"redirect_uris": ["myapp:/back"]}, "redirect_uris"),
        ({"redirect_uris": ["/back"]}, "redirect_uris"),
        ({"redirect_uris": [""]}, "redirect_uris"),
        ({"redirect_uris": ["https://example.com/" + "x" * 500]}, "redirect_uris"),
        ({"redirect_uris": ["https://[::1/back"]}, "redirect_uris"),
        ({"redirect_uris": ["https://example.com:99999/back"]}, "redirect_uris"),
        ({"first_party": True}, "first_party"),
        ({"owner_id": None}, "owner_id"),
    ],
)
async def test_what_is_refused(
    client: httpx.AsyncClient, ada: Person, changes: dict[str, Any], field: str
) -> None:
    answer = await client.post(MINE, json={**NEW, **changes}, headers=ada.headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["loc"][1] == field


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com",
        "https://example.com/back?app=1",
        "https://example.com:8443/back",
        "http://127.0.0.1/back",
        "http://[::1]/back",
        "http://localhost:3000/back",
        "com.example.tides:/back",
    ],
)
async def test_addresses_that_may_be_registered(client: httpx.AsyncClient, ada: Person, uri: str) -> None:
    made = await register(client, ada, redirect_uris=[uri])
    verifier = new_verifier()
    answer = await decide(client, ada, asked(made, verifier))
    assert answer.json()["redirect_to"].startswith(uri + ("&" if "?" in uri else "?") + "code=")


async def test_there_is_an_end_to_it(
    client: httpx.AsyncClient, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applications, "MOST", 3)
    posts = [client.post(MINE, json=NEW, headers=ada.headers) for _ in range(8)]
    statuses = [answer.status_code for answer in await asyncio.gather(*posts)]
    assert sorted(statuses) == [201] * 3 + [409] * 5


async def test_a_change_must_still_make_sense(
    client: httpx.AsyncClient, ada: Person, phone_app: Application
) -> None:
    for change in ({"redirect_uris": []}, {"grants": ["client_credentials"]}, {"grants": ["refresh_token"]}):
        answer = await client.patch(f"{MINE}/{phone_app.id}", json=change, headers=ada.headers)
        assert answer.status_code == 422, change
    shown = (await client.get(f"{MINE}/{phone_app.id}", headers=ada.headers)).json()
    assert shown["redirect_uris"] == ["http://127.0.0.1/back"]
    public = await client.post(f"{MINE}/{phone_app.id}/secret", json={}, headers=ada.headers)
    assert (public.status_code, public.json()["code"]) == (409, "public_application")


async def test_a_new_secret_and_the_old_ones_grace(
    client: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    app = await register(client, ada, grants=["client_credentials"], redirect_uris=[])
    path = f"{MINE}/{app.id}/secret"

    async def works(secret: str) -> bool:
        probe = Application(app.id, secret, "")
        answer = await form_of(client, "/oauth/token", probe, grant_type="client_credentials")
        assert answer.status_code in (200, 401)
        return answer.status_code == 200

    first = app.secret or ""
    second = (await client.post(path, json={"grace_hours": 1}, headers=ada.headers)).json()
    assert second["previous_secret_until"] is not None
    assert await works(first)
    assert await works(second["client_secret"])
    third = (await client.post(path, json={"grace_hours": 1}, headers=ada.headers)).json()["client_secret"]
    # Two at most.
    assert not await works(first)
    assert await works(second["client_secret"])
    async with database.transaction() as session:
        await session.execute(update(OAuthClient).values(previous_secret_until=now() - timedelta(seconds=1)))
    assert not await works(second["client_secret"])
    fourth = (await client.post(path, json={"grace_hours": 0}, headers=ada.headers)).json()
    assert fourth["previous_secret_until"] is None
    assert not await works(third)
    assert await works(fourth["client_secret"])


async def test_narrowing_bites_at_once(
    client: httpx.AsyncClient, ada: Person, bob: Person, server_app: Application
) -> None:
    body = await let_in(client, bob, server_app)
    assert (await me(client, body["access_token"])).json()["permissions"] == ["me:read", "services:read"]
    await client.patch(f"{MINE}/{server_app.id}", json={"scopes": ["me:read"]}, headers=ada.headers)

    async def permissions() -> list[str]:
        return (await me(client, body["access_token"])).json()["permissions"]

    async with asyncio.timeout(30):
        while await permissions() != ["me:read"]:
            await asyncio.sleep(0.01)
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
    renewed = (await form_of(client, "/oauth/token", server_app, **form)).json()
    assert renewed["scope"] == "me:read"
    await client.patch(f"{MINE}/{server_app.id}", json={"scopes": ["jobs:read"]}, headers=ada.headers)
    form["refresh_token"] = renewed["refresh_token"]
    nothing = await form_of(client, "/oauth/token", server_app, **form)
    assert (nothing.status_code, nothing.json()["error"]) == (400, "invalid_scope")


async def test_a_refresh_cannot_widen(
    client: httpx.AsyncClient, bob: Person, server_app: Application
) -> None:
    body = await let_in(client, bob, server_app)
    token = body["refresh_token"]
    for scope in ("full", "jobs:read", "me:read jobs:read", "me:security", "nonsense", "admin:jobs"):
        form = {"grant_type": "refresh_token", "refresh_token": token, "scope": scope}
        answer = await form_of(client, "/oauth/token", server_app, **form)
        assert answer.json()["error"] == "invalid_scope", scope
    form = {"grant_type": "refresh_token", "refresh_token": token, "scope": "me:read"}
    narrow = (await form_of(client, "/oauth/token", server_app, **form)).json()
    assert narrow["scope"] == "me:read"


async def test_with_the_application_goes_all_it_had(
    client: httpx.AsyncClient, ada: Person, bob: Person, server_app: Application, database: Database
) -> None:
    body = await let_in(client, bob, server_app)
    verifier = new_verifier()
    code = await code_for(client, bob, server_app, verifier)
    assert (await me(client, body["access_token"])).status_code == 200
    assert (await client.delete(f"{MINE}/{server_app.id}", headers=ada.headers)).status_code == 204
    async with asyncio.timeout(30):
        while (await me(client, body["access_token"])).status_code != 401:
            await asyncio.sleep(0.01)
    for answer in (
        await exchange(client, server_app, code, verifier),
        await form_of(
            client,
            "/oauth/token",
            server_app,
            grant_type="refresh_token",
            refresh_token=body["refresh_token"],
        ),
    ):
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic")
    assert (await client.get("/api/v1/me/grants", headers=bob.headers)).json()["items"] == []
    async with database.session() as session:
        of_app = select(OAuthSession).where(OAuthSession.client_id == server_app.id)
        assert (await session.execute(of_app)).scalars().all() == []


async def test_access_is_seen_and_taken_back(
    client: httpx.AsyncClient, ada: Person, bob: Person, eve: Person, server_app: Application
) -> None:
    his, hers = await let_in(client, bob, server_app), await let_in(client, eve, server_app)
    (grant,) = (await client.get("/api/v1/me/grants", headers=bob.headers)).json()["items"]
    assert grant["application"]["name"] == "Tide calendar"
    assert grant["application"]["maker"] == {"name": "Ada Lovelace", "email": ada.email}
    assert grant["scopes"] == ["me:read", "services:read"]
    assert grant["last_used_at"] is not None
    path = f"/api/v1/me/grants/{grant['id']}"
    assert (await client.delete(path, headers=eve.headers)).status_code == 404
    assert (await me(client, his["access_token"])).status_code == 200
    assert (await client.delete(path, headers=bob.headers)).status_code == 204
    async with asyncio.timeout(30):
        while (await me(client, his["access_token"])).status_code != 401:
            await asyncio.sleep(0.01)
    form = {"grant_type": "refresh_token", "refresh_token": his["refresh_token"]}
    assert (await form_of(client, "/oauth/token", server_app, **form)).json()["error"] == "invalid_grant"
    assert (await me(client, hers["access_token"])).status_code == 200
    assert (await client.delete(path, headers=bob.headers)).status_code == 404


async def test_a_code_that_waits_is_taken_back_too(
    client: httpx.AsyncClient, bob: Person, server_app: Application
) -> None:
    verifier = new_verifier()
    code = await code_for(client, bob, server_app, verifier)
    (grant,) = (await client.get("/api/v1/me/grants", headers=bob.headers)).json()["items"]
    await client.delete(f"/api/v1/me/grants/{grant['id']}", headers=bob.headers)
    assert (await exchange(client, server_app, code, verifier)).json()["error"] == "invalid_grant"


async def test_making_one_wants_a_recent_proof(
    client: httpx.AsyncClient, ada: Person, server_app: Application, database: Database
) -> None:
    from backend.oauth.announcements import announce

    async with database.transaction() as session:
        long_ago = now() - timedelta(hours=1)
        await session.execute(
            update(OAuthSession).where(OAuthSession.id == ada.session_id).values(proved_at=long_ago)
        )
        await announce(session, ada.session_id)

    async def refused() -> bool:
        answer = await client.post(MINE, json=NEW, headers=ada.headers)
        return answer.status_code == 403 and answer.json()["code"] == "proof_required"

    async with asyncio.timeout(30):
        while not await refused():
            await asyncio.sleep(0.01)
    path = f"{MINE}/{server_app.id}"
    for method, where, body in (
        ("PATCH", path, {"name": "x"}),
        ("POST", f"{path}/secret", {}),
        ("POST", "/api/v1/me/tokens", {"name": "x", "scopes": ["me:read"]}),
    ):
        answer = await client.request(method, where, json=body, headers=ada.headers)
        assert answer.json()["code"] == "proof_required", where
    # Taking away needs none.
    assert (await client.delete(path, headers=ada.headers)).status_code == 204
