"""Authorization code with PKCE: the honest way, and every dishonest one that the RFCs name."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from backend.audit.models import AuditEvent
from backend.database import Database, now
from backend.oauth.models import AuthorizationCode, OAuthSession
from backend.users.models import User
from tests.identity.oauth import me, parts_of, refresh
from tests.oauth.flows import (
    BACK,
    CONSENT,
    ISSUER,
    Application,
    asked,
    authorize,
    bearer,
    brought_back,
    code_for,
    decide,
    exchange,
    form_of,
    let_in,
    new_verifier,
    query_of,
    register,
)
from tests.support.people import Person


async def test_the_whole_way(client: httpx.AsyncClient, bob: Person, server_app: Application) -> None:
    verifier = new_verifier()
    query = asked(server_app, verifier)
    page = await authorize(client, query)
    assert page.startswith(f"{ISSUER}/consent?")
    assert query_of(page) == query

    question = (await client.get(CONSENT, params=query_of(page), headers=bob.headers)).json()
    assert question["application"]["name"] == "Tide calendar"
    assert question["application"]["maker"]["name"] == "Ada Lovelace"
    assert [scope["name"] for scope in question["scopes"]] == ["me:read", "services:read"]
    assert question["scopes"][0]["allows"] == "See the own account"
    assert (question["redirect_uri"], question["remembered"]) == (BACK, False)

    answer = await decide(client, bob, query)
    location = answer.json()["redirect_to"]
    assert location.startswith(f"{BACK}?")
    back = query_of(location)
    assert set(back) == {"code", "state", "iss"}
    assert (back["state"], back["iss"]) == ("af0ifjsldkj", ISSUER)

    answer = await exchange(client, server_app, back["code"], verifier)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["scope"]) == ("Bearer", "me:read services:read")
    _, claims = parts_of(body["access_token"])
    assert (claims["sub"], claims["client_id"]) == (str(bob.id), server_app.id)
    mine = (await me(client, body["access_token"])).json()
    assert (mine["id"], mine["permissions"]) == (str(bob.id), ["me:read", "services:read"])
    assert (await refresh_of(client, server_app, body["refresh_token"])).status_code == 200


async def refresh_of(
    client: httpx.AsyncClient, application: Application, token: str, **more: str
) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token, **more}
    return await form_of(client, "/oauth/token", application, **form)


async def test_an_app_on_a_device_takes_any_port(
    client: httpx.AsyncClient, bob: Person, phone_app: Application
) -> None:
    verifier, uri = new_verifier(), "http://127.0.0.1:51763/back"
    code = await code_for(client, bob, phone_app, verifier, redirect_uri=uri)
    # The port is free to choose when asking, and the same when exchanging.
    other = await exchange(client, phone_app, code, verifier, redirect_uri="http://127.0.0.1:51764/back")
    assert other.json()["error"] == "invalid_grant"
    body = (await exchange(client, phone_app, code, verifier, redirect_uri=uri)).json()
    assert (await refresh_of(client, phone_app, body["refresh_token"])).status_code == 200


async def test_denied(client: httpx.AsyncClient, bob: Person, server_app: Application) -> None:
    answer = await decide(client, bob, asked(server_app, new_verifier()), "deny")
    back = brought_back(answer)
    assert (back["error"], back["state"], back["iss"]) == ("access_denied", "af0ifjsldkj", ISSUER)
    assert "code" not in back


async def test_without_a_scope_all_that_is_registered(
    client: httpx.AsyncClient, bob: Person, server_app: Application
) -> None:
    body = await let_in(client, bob, server_app, scope=None, state=None)
    assert body["scope"] == "me:read services:read jobs:read"


async def test_a_code_is_good_once_and_a_second_use_ends_what_it_gave(
    client: httpx.AsyncClient, bob: Person, server_app: Application, database: Database
) -> None:
    verifier = new_verifier()
    code = await code_for(client, bob, server_app, verifier)
    body = (await exchange(client, server_app, code, verifier)).json()
    assert (await me(client, body["access_token"])).status_code == 200
    again = await exchange(client, server_app, code, verifier)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert (await me(client, body["access_token"])).json()["code"] == "session_ended"
    assert (await refresh_of(client, server_app, body["refresh_token"])).json()["error"] == "invalid_grant"
    async with database.session() as session:
        actions = (await session.execute(select(AuditEvent.action))).scalars().all()
        kept = (await session.execute(select(AuthorizationCode))).scalar_one()
    assert "grant.code_reused" in actions
    assert code.encode() not in kept.code_hash


async def test_many_at_once_get_at_most_one_session(
    client: httpx.AsyncClient, bob: Person, server_app: Application, database: Database
) -> None:
    verifier = new_verifier()
    code = await code_for(client, bob, server_app, verifier)
    answers = await asyncio.gather(*(exchange(client, server_app, code, verifier) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19
    async with database.session() as session:
        of_app = select(OAuthSession).where(OAuthSession.client_id == server_app.id)
        (kept,) = (await session.execute(of_app)).scalars().all()
    assert kept.revoked_at is not None


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": "x" * 64}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"code_verifier": "я" * 50}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"redirect_uri": "https://evil.example.com/"}, "invalid_grant"),
        ({"code": "x"}, "invalid_grant"),
        ({"code": "я" * 100}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
    ],
)
async def test_an_intercepted_code_is_worth_nothing(
    client: httpx.AsyncClient, bob: Person, server_app: Application, changes: dict[str, Any], error: str
) -> None:
    verifier = new_verifier()
    code = await code_for(client, bob, server_app, verifier)
    answer = await exchange(client, server_app, code, verifier, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    # And the thief spoiled nothing: the application still gets its token.
    assert (await exchange(client, server_app, code, verifier)).status_code == 200


async def test_the_challenge_of_another_request_does_not_fit(
    client: httpx.AsyncClient, bob: Person, eve: Person, server_app: Application
) -> None:
    """Code injection (RFC 9700 §4.5): Eve puts her code into Bob's flow."""
    hers, his = new_verifier(), new_verifier()
    code = await code_for(client, eve, server_app, hers)
    assert (await exchange(client, server_app, code, his)).json()["error"] == "invalid_grant"


async def test_clients_that_are_mixed_up(
    client: httpx.AsyncClient, ada: Person, bob: Person, server_app: Application, phone_app: Application
) -> None:
    verifier = new_verifier()
    code = await code_for(client, bob, server_app, verifier)
    other = await register(client, ada, name="Another")
    for thief in (other, phone_app):
        answer = await exchange(client, thief, code, verifier, redirect_uri=server_app.redirect_uri)
        assert answer.json()["error"] == "invalid_grant"
    # Its id without its secret, or with that of another.
    for headers in ({}, other.basic):
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": server_app.id,
            "redirect_uri": BACK,
            "code_verifier": verifier,
        }
        answer = await client.post("/oauth/token", data=form, headers=headers)
        assert answer.json()["error"] in ("invalid_client", "invalid_request")
    body = (await exchange(client, server_app, code, verifier)).json()
    # Its refresh token is of no use to another either.
    assert (await refresh_of(client, other, body["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await refresh(client, body["refresh_token"], client_id="cli")).json()["error"] == "invalid_grant"
    assert (await refresh_of(client, server_app, body["refresh_token"])).status_code == 200


async def test_a_code_expires(
    client: httpx.AsyncClient, bob: Person, server_app: Application, database: Database
) -> None:
    verifier = new_verifier()
    code = await code_for(client, bob, server_app, verifier)
    async with database.session() as session:
        kept = (await session.execute(select(AuthorizationCode))).scalar_one()
    assert timedelta(seconds=50) < kept.expires_at - now() <= timedelta(seconds=60)
    async with database.transaction() as session:
        await session.execute(update(AuthorizationCode).values(expires_at=now()))
    assert (await exchange(client, server_app, code, verifier)).json()["error"] == "invalid_grant"


async def test_a_closed_account_gets_no_token(
    client: httpx.AsyncClient, bob: Person, server_app: Application, database: Database
) -> None:
    verifier = new_verifier()
    code = await code_for(client, bob, server_app, verifier)
    async with database.transaction() as session:
        await session.execute(update(User).where(User.id == bob.id).values(is_active=False))
    assert (await exchange(client, server_app, code, verifier)).json()["error"] == "invalid_grant"


async def test_a_blocked_maker_takes_the_application_along(
    client: httpx.AsyncClient, ada: Person, bob: Person, server_app: Application, database: Database
) -> None:
    from backend.oauth.announcements import announce

    body = await let_in(client, bob, server_app)
    assert (await me(client, body["access_token"])).status_code == 200
    async with database.transaction() as session:
        await session.execute(update(User).where(User.id == ada.id).values(is_active=False))
        await announce(session, ada.id)
    async with asyncio.timeout(30):
        while (await me(client, body["access_token"])).status_code != 401:
            await asyncio.sleep(0.01)
    page = await authorize(client, asked(server_app, new_verifier()))
    assert page == f"{ISSUER}/consent?error=invalid_client"


async def test_consent_is_remembered_by_person_application_and_scope(
    client: httpx.AsyncClient, bob: Person, eve: Person, server_app: Application, phone_app: Application
) -> None:
    async def remembered(person: Person, application: Application, **changes: Any) -> bool:
        query = asked(application, new_verifier(), **changes)
        return (await client.get(CONSENT, params=query, headers=person.headers)).json()["remembered"]

    await let_in(client, bob, server_app)
    assert await remembered(bob, server_app)
    assert await remembered(bob, server_app, scope="me:read")
    assert not await remembered(bob, server_app, scope="me:read jobs:read")
    assert not await remembered(eve, server_app)
    await let_in(client, bob, server_app, scope="jobs:read")
    assert await remembered(bob, server_app, scope=None)
    # Anybody's app may listen on a port of the machine, so that is asked each time.
    await let_in(client, bob, phone_app)
    assert not await remembered(bob, phone_app)


async def test_only_a_person_in_the_panel_decides(
    client: httpx.AsyncClient, bob: Person, server_app: Application
) -> None:
    """An application's own token cannot let further applications in."""
    body = await let_in(client, bob, server_app)
    query = asked(server_app, new_verifier())
    for headers, status in (({}, 401), (bearer(body["access_token"]), 403)):
        answer = await client.post(CONSENT, json={"decision": "approve", **query}, headers=headers)
        assert answer.status_code == status
        assert (await client.get(CONSENT, params=query, headers=headers)).status_code == status
