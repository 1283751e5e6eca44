"""POST /oauth/token: the password grant, the token it gives, and every way of asking wrongly."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

import httpx
import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc import jwt
from joserfc.jwk import KeySet
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import select, update

from backend.database import Database
from backend.oauth.grants import WRONG_CREDENTIALS
from backend.oauth.models import OAuthSession, RefreshToken
from backend.users.models import User
from tests.identity.oauth import TOKEN, me, parts_of, sign_in
from tests.support.people import PASSWORD, UserFactory

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_a_token_by_rfc_9068(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    ada = await user_factory()
    answer = await sign_in(client, ada)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert "set-cookie" not in answer.headers
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 900, "full")
    assert len(body["refresh_token"]) >= 43
    header, claims = parts_of(body["access_token"])
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt")
    assert set(claims) == {"iss", "exp", "client_id", "iat", "jti", "scope", "sub", "aud", "sid"}
    assert (claims["iss"], claims["sub"], claims["client_id"]) == (
        "http://localhost:8080",
        str(ada.id),
        "cli",
    )
    assert claims["exp"] - claims["iat"] == 900
    keys = KeySet.import_key_set((await client.get("/oauth/jwks")).json())
    assert jwt.decode(body["access_token"], keys, algorithms=["ES256"]).claims == claims
    assert (await me(client, body["access_token"])).json()["id"] == str(ada.id)


async def test_what_is_kept_of_it(
    client: httpx.AsyncClient, user_factory: UserFactory, database: Database
) -> None:
    ada = await user_factory()
    headers = {"User-Agent": "probe/1 " + "x" * 500, "X-Forwarded-For": "198.51.100.9"}
    body = (await sign_in(client, ada, headers=headers)).json()
    async with database.session() as session:
        kept = (
            await session.execute(select(OAuthSession).where(OAuthSession.id != ada.session_id))
        ).scalar_one()
        hashes = (await session.execute(select(RefreshToken.token_hash))).scalars().all()
    assert kept.user_agent is not None
    assert (kept.address, len(kept.user_agent), kept.scope) == ("198.51.100.9", 400, "full")
    assert all(body["refresh_token"].encode() not in token_hash for token_hash in hashes)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("{email}", "wrong password"),
        ("{email}", PASSWORD.upper()),
        ("{email}", PASSWORD + "x"),
        ("nobody@example.com", PASSWORD),
        ("not an address", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
        ("x" * 3000, PASSWORD),
        ("{email}", "🔑" * 1000),
    ],
)
async def test_wrong_credentials_all_look_the_same(
    client: httpx.AsyncClient, user_factory: UserFactory, username: str, password: str
) -> None:
    ada = await user_factory()
    answer = await sign_in(client, username.format(email=ada.email), password)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "invalid_grant",
        "error_description": WRONG_CREDENTIALS,
    }
    assert answer.headers["cache-control"] == "no-store"


async def test_the_address_is_read_in_any_case(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    ada = await user_factory()
    assert (await sign_in(client, ada.email.upper())).status_code == 200


async def test_a_closed_account_signs_nobody_in(
    client: httpx.AsyncClient, user_factory: UserFactory, database: Database
) -> None:
    ada = await user_factory()
    async with database.transaction() as session:
        await session.execute(update(User).values(is_active=False))
    assert (await sign_in(client, ada)).json()["error"] == "invalid_grant"
    assert (await me(client, ada.access_token)).json()["code"] == "session_ended"


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({}, 400, "unsupported_grant_type"),
        ({"grant_type": "magic", "client_id": "cli"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "client_id": "cli"}, 400, "invalid_client"),
        ({"grant_type": "password", "username": "a@b.cd", "password": "x"}, 400, "invalid_client"),
        ({"grant_type": "password", "client_id": "stranger"}, 400, "invalid_client"),
        ({"grant_type": "password", "client_id": "cli' --"}, 400, "invalid_client"),
        ({"grant_type": "password", "client_id": "cli", "client_secret": "x"}, 400, "invalid_client"),
        ({"grant_type": "password", "client_id": "cli"}, 400, "invalid_request"),
        ({"grant_type": "password", "client_id": "cli", "username": "a@b.cd"}, 400, "invalid_request"),
        ({"grant_type": "password", "client_id": "cli", "password": "x"}, 400, "invalid_request"),
        (
            {"grant_type": "password", "client_id": "cli", "username": "", "password": ""},
            400,
            "invalid_request",
        ),
        ({"grant_type": "refresh_token", "client_id": "cli"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token", "client_id": "cli", "refresh_token": "x"}, 400, "invalid_grant"),
        (
            {"grant_type": "refresh_token", "client_id": "cli", "refresh_token": "я" * 99},
            400,
            "invalid_grant",
        ),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_client"),
        ({"grant_type": "refresh_token", "client_id": "\0", "refresh_token": "x"}, 400, "invalid_request"),
        (
            {"grant_type": "password", "client_id": "cli", "username": "a\0", "password": "x"},
            400,
            "invalid_request",
        ),
        ({"grant_type": ["password", "password"], "client_id": "cli"}, 400, "invalid_request"),
        ({f"field{number}": "x" for number in range(21)}, 400, "invalid_request"),
        ({"grant_type": "password", "padding": "x" * 20_000}, 413, "invalid_request"),
    ],
)
async def test_asking_wrongly(
    client: httpx.AsyncClient, fields: dict[str, str | list[str]], status: int, error: str
) -> None:
    answer = await client.post(TOKEN, content=urlencode(fields, doseq=True), headers=FORM)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) <= {"error", "error_description"}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b'{"grant_type":"password"}', {"Content-Type": "application/json"}),
        (b"grant_type=password", {}),
        (b"--x\r\n", {"Content-Type": "multipart/form-data; boundary=x"}),
        (b"username=%ff%fe", FORM),
        (b"\xff\xfe", FORM),
    ],
)
async def test_what_is_no_form(client: httpx.AsyncClient, content: bytes, headers: dict[str, str]) -> None:
    answer = await client.post(TOKEN, content=content, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_scope_narrows(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    ada = await user_factory()
    body = (await sign_in(client, ada, scope="me:read admin:jobs")).json()
    assert body["scope"] == "me:read admin:jobs"
    answer = await me(client, body["access_token"])
    # The scope asks for more than the role gives.
    assert answer.json()["permissions"] == ["me:read"]
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    refused = await client.patch("/api/v1/me", json={"name": "x"}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_missing")
    assert (await client.get("/api/v1/projects", headers=headers)).status_code == 403


async def test_an_unknown_scope_is_refused(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    ada = await user_factory()
    assert (await sign_in(client, ada, scope="me:read everything")).json()["error"] == "invalid_scope"


async def test_old_hashes_are_renewed(
    client: httpx.AsyncClient, user_factory: UserFactory, database: Database
) -> None:
    ada = await user_factory()
    weak = Argon2Hasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    async with database.transaction() as session:
        await session.execute(update(User).values(password_hash=weak))
    assert (await sign_in(client, ada)).status_code == 200
    async with database.session() as session:
        stored = (await session.execute(select(User.password_hash))).scalar_one()
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await sign_in(client, ada)).status_code == 200


async def test_a_damaged_hash_signs_nobody_in(
    client: httpx.AsyncClient, user_factory: UserFactory, database: Database
) -> None:
    ada = await user_factory()
    async with database.transaction() as session:
        await session.execute(update(User).values(password_hash="plain"))
    assert (await sign_in(client, ada, "plain")).json()["error"] == "invalid_grant"


class TestUnlimited:
    @pytest.fixture
    def settings(self, settings_of):  # type: ignore[no-untyped-def]
        return settings_of(
            guess_free_tries=1000, guess_free_tries_anywhere=1000, login_rate_per_address="1000/minute"
        )

    async def test_many_sign_in_at_once(self, client: httpx.AsyncClient, user_factory: UserFactory) -> None:
        ada = await user_factory()
        answers = await asyncio.gather(*(sign_in(client, ada) for _ in range(40)))
        assert {answer.status_code for answer in answers} == {200}


class TestGuarded:
    """With the delays as they are shipped."""

    @pytest.fixture
    def settings(self, settings_of):  # type: ignore[no-untyped-def]
        return settings_of(login_rate_per_address="1000/minute")

    async def test_right_passwords_at_once_are_all_served(
        self, client: httpx.AsyncClient, user_factory: UserFactory
    ) -> None:
        ada = await user_factory()
        answers = await asyncio.gather(*(sign_in(client, ada) for _ in range(20)))
        assert [answer.status_code for answer in answers] == [200] * 20

    @pytest.mark.usefixtures("no_time_passes")
    async def test_wrong_ones_at_once_gain_nothing(
        self, client: httpx.AsyncClient, user_factory: UserFactory
    ) -> None:
        ada = await user_factory()
        answers = await asyncio.gather(*(sign_in(client, ada, "wrong password") for _ in range(20)))
        statuses = [answer.status_code for answer in answers]
        assert (statuses.count(400), statuses.count(429)) == (5, 15)


async def test_metadata(client: httpx.AsyncClient) -> None:
    answer = await client.get("/.well-known/oauth-authorization-server")
    body = answer.json()
    assert body["issuer"] == "http://localhost:8080"
    # The one thing that development may do and RFC 8414 may not is plain http.
    secure = {
        name: value.replace("http:", "https:") if isinstance(value, str) else value
        for name, value in body.items()
    }
    # Authlib wants a response type; without an authorization endpoint there is none.
    AuthorizationServerMetadata({**secure, "response_types_supported": ["none"]}).validate()
    for name in ("jwks_uri", "service_documentation"):
        assert (await client.get(body[name])).status_code == 200


async def test_the_key_set_holds_nothing_private(client: httpx.AsyncClient) -> None:
    answer = await client.get("/oauth/jwks")
    (key,) = answer.json()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert answer.headers["cache-control"] == "max-age=300"
