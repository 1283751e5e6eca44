"""Client credentials: the application acts for whoever registered it, within its scopes and no further."""

from __future__ import annotations

import base64

import httpx
import pytest
from sqlalchemy import select, update

from backend.database import Database
from backend.oauth.models import OAuthSession
from backend.users.models import User
from tests.identity.oauth import TOKEN, me
from tests.oauth.flows import Application, bearer, form_of, register
from tests.support.people import Person, UserFactory

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
async def robot(client: httpx.AsyncClient, ada: Person) -> Application:
    return await register(
        client,
        ada,
        name="Robot",
        grants=["client_credentials"],
        redirect_uris=[],
        scopes=["me:read", "services:read", "jobs:read"],
    )


async def test_it_acts_for_its_owner(
    client: httpx.AsyncClient, ada: Person, robot: Application, database: Database
) -> None:
    answer = await form_of(client, TOKEN, robot, **GRANT)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert body["scope"] == "me:read services:read jobs:read"
    mine = (await me(client, body["access_token"])).json()
    assert (mine["id"], mine["permissions"]) == (str(ada.id), ["jobs:read", "me:read", "services:read"])
    # A session of a quarter of an hour, in which nobody showed a secret.
    async with database.session() as session:
        of_robot = select(OAuthSession).where(OAuthSession.client_id == robot.id)
        kept = (await session.execute(of_robot)).scalar_one()
    assert kept.proved_at.timestamp() == 0
    assert (kept.expires_at - kept.created_at).total_seconds() == 900


async def test_by_basic_and_in_the_form(client: httpx.AsyncClient, robot: Application) -> None:
    posted = {**GRANT, "client_id": robot.id, "client_secret": robot.secret or ""}
    assert (await client.post(TOKEN, data=posted)).status_code == 200
    assert (await client.post(TOKEN, data=GRANT, headers=robot.basic)).status_code == 200
    both = {**GRANT, "client_id": robot.id}
    assert (await client.post(TOKEN, data=both, headers=robot.basic)).status_code == 200


async def test_a_narrower_scope(client: httpx.AsyncClient, robot: Application) -> None:
    body = (await form_of(client, TOKEN, robot, **GRANT, scope="me:read")).json()
    assert body["scope"] == "me:read"
    refused = await client.get("/api/v1/services", headers=bearer(body["access_token"]))
    assert refused.status_code == 403
    assert refused.headers["www-authenticate"] == ('Bearer error="insufficient_scope", scope="services:read"')


@pytest.mark.parametrize(
    "scope", ["full", "services:write", "me:security", "admin:jobs", "x", "me:read full"]
)
async def test_a_wider_scope(client: httpx.AsyncClient, robot: Application, scope: str) -> None:
    answer = await form_of(client, TOKEN, robot, **GRANT, scope=scope)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


async def test_an_administrators_robot_is_no_administrator(
    client: httpx.AsyncClient, user_factory: UserFactory
) -> None:
    admin = await user_factory(roles=("user", "admin"))
    robot = await register(client, admin, grants=["client_credentials"], redirect_uris=[], scopes=["me:read"])
    token = (await form_of(client, TOKEN, robot, **GRANT)).json()["access_token"]
    assert (await me(client, token)).json()["permissions"] == ["me:read"]
    assert (await client.get("/api/v1/admin/jobs", headers=bearer(token))).status_code == 403


def basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


async def test_a_wrong_secret(client: httpx.AsyncClient, robot: Application) -> None:
    for headers in (
        basic(f"{robot.id}:wrong"),
        basic(f"{robot.id}:"),
        basic(robot.id),
        basic(f":{robot.secret}"),
        basic("stranger:x"),
        basic("я:я"),
        basic("\0:\0"),
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic //8="},
    ):
        answer = await client.post(TOKEN, data=GRANT, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), headers
        assert answer.headers["www-authenticate"].startswith("Basic ")
    for form in (
        {"client_id": robot.id, "client_secret": "wrong"},
        {"client_id": robot.id},
        {"client_id": "stranger", "client_secret": robot.secret},
        {"client_secret": robot.secret},
        {},
    ):
        answer = await client.post(TOKEN, data={**GRANT, **form})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client"), form


async def test_two_ways_at_once(client: httpx.AsyncClient, robot: Application) -> None:
    for form in ({"client_secret": robot.secret}, {"client_id": "another"}):
        answer = await client.post(TOKEN, data={**GRANT, **form}, headers=robot.basic)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_only_the_grants_that_are_listed(
    client: httpx.AsyncClient, ada: Person, robot: Application, server_app: Application
) -> None:
    answer = await form_of(client, TOKEN, server_app, **GRANT)
    assert answer.json()["error"] == "unauthorized_client"
    password = {"grant_type": "password", "username": ada.email, "password": ada.password}
    # The password grant is for clients that can keep no secret, which are all our own.
    assert (await form_of(client, TOKEN, robot, **password)).json()["error"] == "invalid_client"
    code = {"grant_type": "authorization_code", "code": "x", "redirect_uri": "https://a.example.com"}
    assert (await form_of(client, TOKEN, robot, **code)).json()["error"] == "unauthorized_client"


async def test_a_public_application_has_no_password_grant_either(
    client: httpx.AsyncClient, ada: Person, phone_app: Application
) -> None:
    form = {"grant_type": "password", "username": ada.email, "password": ada.password}
    assert (await form_of(client, TOKEN, phone_app, **form)).json()["error"] == "unauthorized_client"


async def test_its_owner_is_blocked(
    client: httpx.AsyncClient, ada: Person, robot: Application, database: Database
) -> None:
    async with database.transaction() as session:
        await session.execute(update(User).where(User.id == ada.id).values(is_active=False))
    assert (await form_of(client, TOKEN, robot, **GRANT)).json()["error"] == "invalid_grant"
