"""POST /oauth/introspect (RFC 7662): the truth to whom it concerns, and nothing to others."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import update

from backend.database import Database, now
from backend.oauth.models import OAuthClient, OAuthSession
from backend.oauth.tokens import digest
from backend.users.models import User
from tests.oauth.flows import ISSUER, Application, form_of, let_in, register
from tests.support.people import Person

WHERE = "/oauth/introspect"
INACTIVE = {"active": False}


async def look(client: httpx.AsyncClient, application: Application, token: str) -> dict[str, object]:
    answer = await form_of(client, WHERE, application, token=token)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def test_of_its_own_tokens(client: httpx.AsyncClient, bob: Person, server_app: Application) -> None:
    body = await let_in(client, bob, server_app)
    said = await look(client, server_app, body["access_token"])
    assert said["active"] is True
    assert (said["client_id"], said["sub"], said["iss"]) == (server_app.id, str(bob.id), ISSUER)
    assert (said["scope"], said["token_type"]) == ("me:read services:read", "Bearer")
    assert said["aud"] == f"{ISSUER}/api/v1"
    assert 0 < int(str(said["exp"])) - now().timestamp() <= 900
    assert bob.email not in str(said)
    said = await look(client, server_app, body["refresh_token"])
    assert (said["active"], said["token_type"]) == (True, "refresh_token")


async def test_of_those_of_others(
    client: httpx.AsyncClient, ada: Person, bob: Person, server_app: Application
) -> None:
    body = await let_in(client, bob, server_app)
    other = await register(client, ada, name="Another")
    for token in (body["access_token"], body["refresh_token"], bob.access_token, bob.refresh_token):
        assert await look(client, other, token) == INACTIVE


async def test_our_own_resource_server_may_ask_about_all(
    client: httpx.AsyncClient, bob: Person, server_app: Application, database: Database
) -> None:
    async with database.transaction() as session:
        session.add(
            OAuthClient(id="metrics", name="Metrics", first_party=True, grants=[], secret_hash=digest("s"))
        )
    metrics = Application("metrics", "s", "")
    body = await let_in(client, bob, server_app)
    assert (await look(client, metrics, body["access_token"]))["active"] is True
    assert (await look(client, metrics, bob.access_token))["client_id"] == "cli"


@pytest.mark.parametrize("token", ["x", "a.b.c", "я" * 100, "x" * 5000, "gavan_pat_x"])
async def test_what_is_no_token(client: httpx.AsyncClient, server_app: Application, token: str) -> None:
    assert await look(client, server_app, token) == INACTIVE


async def test_what_has_ended(
    client: httpx.AsyncClient, bob: Person, server_app: Application, database: Database
) -> None:
    body = await let_in(client, bob, server_app)
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
    renewed = (await form_of(client, "/oauth/token", server_app, **form)).json()
    assert await look(client, server_app, body["refresh_token"]) == INACTIVE
    assert (await look(client, server_app, renewed["refresh_token"]))["active"] is True
    assert (
        await form_of(client, "/oauth/revoke", server_app, token=renewed["access_token"])
    ).status_code == 200
    for token in (renewed["access_token"], renewed["refresh_token"], body["access_token"]):
        assert await look(client, server_app, token) == INACTIVE
    fresh = await let_in(client, bob, server_app)
    async with database.transaction() as session:
        await session.execute(update(User).where(User.id == bob.id).values(is_active=False))
    assert await look(client, server_app, fresh["access_token"]) == INACTIVE
    async with database.transaction() as session:
        await session.execute(update(User).values(is_active=True))
        await session.execute(update(OAuthSession).values(expires_at=now()))
    assert await look(client, server_app, fresh["access_token"]) == INACTIVE


async def test_who_may_not_ask(
    client: httpx.AsyncClient, bob: Person, server_app: Application, phone_app: Application
) -> None:
    wrong = Application(server_app.id, "wrong", "")
    assert (await form_of(client, WHERE, wrong, token=bob.access_token)).status_code == 401
    for application in (phone_app, Application("cli", None, ""), Application("stranger", None, "")):
        answer = await form_of(client, WHERE, application, token=bob.access_token)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")
    answer = await form_of(client, WHERE, server_app)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_revocation_by_an_application(
    client: httpx.AsyncClient, ada: Person, bob: Person, server_app: Application
) -> None:
    body = await let_in(client, bob, server_app)
    other = await register(client, ada, name="Another")
    answer = await form_of(client, "/oauth/revoke", other, token=body["refresh_token"])
    assert answer.json()["error"] == "invalid_grant"
    answer = await form_of(
        client, "/oauth/revoke", Application(server_app.id, None, ""), token=body["refresh_token"]
    )
    assert answer.json()["error"] == "invalid_client"
    assert (await look(client, server_app, body["access_token"]))["active"] is True
