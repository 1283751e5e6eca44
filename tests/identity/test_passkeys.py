"""Passkeys: registration, signing in by one alone or as the second step, and what must not pass for one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import select, update

from backend.database import Database, now
from backend.factors.models import Challenge, Passkey
from backend.users.models import User
from tests.identity.authenticator import Authenticator
from tests.identity.factors import add_passkey, mfa_token, passkey_sign_in, request_options, second_step
from tests.identity.oauth import me, sign_in
from tests.support.people import Person, UserFactory


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory()


@pytest.fixture
async def key(client: httpx.AsyncClient, ada: Person) -> Authenticator:
    """Ada's."""
    key = Authenticator()
    assert (await add_passkey(client, ada, key)).status_code == 201
    return key


async def test_registration(client: httpx.AsyncClient, ada: Person, database: Database) -> None:
    options = (await client.post("/api/v1/me/passkeys/options", headers=ada.headers)).json()["public_key"]
    assert options["rp"] == {"id": "localhost", "name": "Gavan"}
    assert options["user"]["name"] == ada.email
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "preferred"
    key = Authenticator()
    added = await add_passkey(client, ada, key, "Blue key")
    body = added.json()
    assert (added.status_code, body["passkey"]["name"], len(body["recovery_codes"])) == (201, "Blue key", 10)
    second = await add_passkey(client, ada, Authenticator(), "Red key")
    # There are recovery codes already.
    assert second.json()["recovery_codes"] is None
    there = (await client.get("/api/v1/me/second-factors", headers=ada.headers)).json()
    assert [one["name"] for one in there["passkeys"]] == ["Blue key", "Red key"]
    assert there["methods"] == ["passkey", "recovery_code"]
    # The browser is told which are there already.
    options = (await client.post("/api/v1/me/passkeys/options", headers=ada.headers)).json()["public_key"]
    assert len(options["excludeCredentials"]) == 2
    known = await add_passkey(client, ada, key)
    assert (known.status_code, known.json()["code"]) == (409, "passkey_known")


async def test_by_a_passkey_alone(client: httpx.AsyncClient, ada: Person, key: Authenticator) -> None:
    options = await request_options(client)
    assert (options["rpId"], options["userVerification"]) == ("localhost", "required")
    assert not options["allowCredentials"]
    answer = await passkey_sign_in(client, key.get(options))
    assert answer.status_code == 200, answer.text
    assert (await me(client, answer.json()["access_token"])).json()["id"] == str(ada.id)
    history = (await client.get("/api/v1/me/sign-ins", headers=ada.headers)).json()["items"]
    assert [one["method"] for one in history] == ["passkey"]


async def test_as_the_second_step(client: httpx.AsyncClient, ada: Person, key: Authenticator) -> None:
    token = await mfa_token(client, ada)
    options = await request_options(client, token)
    assert [one["id"] for one in options["allowCredentials"]] == [key.get(options)["id"]]
    # Touched without a PIN: beside the password that is enough, alone it is not.
    key.verifies = False
    answer = await second_step(client, token, passkey=orjson.dumps(key.get(options)).decode())
    assert answer.status_code == 200, answer.text
    alone = await passkey_sign_in(client, key.get(await request_options(client)))
    assert (alone.status_code, alone.json()["error"]) == (400, "invalid_grant")


async def test_an_answer_is_good_once(client: httpx.AsyncClient, key: Authenticator) -> None:
    assertion = key.get(await request_options(client))
    assert (await passkey_sign_in(client, assertion)).status_code == 200
    assert (await passkey_sign_in(client, assertion)).json()["error"] == "invalid_grant"


async def test_a_challenge_expires(client: httpx.AsyncClient, key: Authenticator, database: Database) -> None:
    assertion = key.get(await request_options(client))
    async with database.transaction() as session:
        await session.execute(update(Challenge).values(expires_at=now() - timedelta(seconds=1)))
    assert (await passkey_sign_in(client, assertion)).json()["error"] == "invalid_grant"


async def test_a_challenge_is_for_its_purpose(
    client: httpx.AsyncClient, ada: Person, key: Authenticator
) -> None:
    token = await mfa_token(client, ada)
    for options in (
        await request_options(client, token),
        (await client.post("/api/v1/me/proof/options", headers=ada.headers)).json()["public_key"],
    ):
        assert (await passkey_sign_in(client, key.get(options))).json()["error"] == "invalid_grant"


async def test_somebody_elses_passkey(
    client: httpx.AsyncClient, ada: Person, key: Authenticator, user_factory: UserFactory
) -> None:
    eve, evil = await user_factory(), Authenticator()
    await add_passkey(client, eve, evil)
    token = await mfa_token(client, ada)
    options = await request_options(client, token)
    answer = await second_step(client, token, passkey=orjson.dumps(evil.get(options)).decode())
    assert (answer.status_code, answer.json()["error"]) == (400, "mfa_refused")
    # Nor does a challenge given to her help with Ada's token.
    hers = await request_options(client, await mfa_token(client, eve))
    answer = await second_step(client, token, passkey=orjson.dumps(key.get(hers)).decode())
    assert answer.json()["error"] == "mfa_refused"
    proof = (await client.post("/api/v1/me/proof/options", headers=ada.headers)).json()["public_key"]
    refused = await client.post("/api/v1/me/proof", json={"passkey": evil.get(proof)}, headers=ada.headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "passkey_refused")
    # A registration that she began is not Ada's to finish.
    begun = (await client.post("/api/v1/me/passkeys/options", headers=eve.headers)).json()["public_key"]
    body = {"name": "x", "credential": Authenticator().create(begun)}
    answer = await client.post("/api/v1/me/passkeys", json=body, headers=ada.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "passkey_refused")
    for method, path in (("PATCH", "passkeys"), ("DELETE", "passkeys")):
        mine = (await client.get("/api/v1/me/second-factors", headers=ada.headers)).json()["passkeys"][0]
        answer = await client.request(
            method,
            f"/api/v1/me/{path}/{mine['id']}",
            json={"name": "x"} if method == "PATCH" else None,
            headers=eve.headers,
        )
        assert answer.status_code == 404


def _other_origin(key: Authenticator) -> None:
    key.origin = "http://evil.localhost:8080"


def _other_panel(key: Authenticator) -> None:
    key.rp_id = "example.com"


def _other_key(key: Authenticator) -> None:
    key.key = Authenticator().key


def _unknown(key: Authenticator) -> None:
    key.credential_id = b"nobody's"


def _other_user(key: Authenticator) -> None:
    key.user_handle = bytes(16)


def _copied(key: Authenticator) -> None:
    key.counter = 0


@pytest.mark.parametrize("wrong", [_other_origin, _other_panel, _other_key, _unknown, _other_user, _copied])
async def test_what_is_not_the_passkey(client: httpx.AsyncClient, key: Authenticator, wrong: Any) -> None:
    assert (await passkey_sign_in(client, key.get(await request_options(client)))).status_code == 200
    wrong(key)
    answer = await passkey_sign_in(client, key.get(await request_options(client)))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("wrong", [_other_origin, _other_panel])
async def test_what_is_no_registration(client: httpx.AsyncClient, ada: Person, wrong: Any) -> None:
    key = Authenticator()
    wrong(key)
    answer = await add_passkey(client, ada, key)
    assert (answer.status_code, answer.json()["code"]) == (422, "passkey_refused")
    assert (await sign_in(client, ada)).status_code == 200


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"id": 1, "rawId": None, "type": "public-key", "response": {}},
        {"id": "é", "rawId": "é", "type": "public-key", "response": {"clientDataJSON": "é"}},
        {"id": "AA", "rawId": "AA", "type": "x", "response": {"clientDataJSON": "e30"}},
        {
            "id": "AA",
            "rawId": "AA",
            "type": "public-key",
            "response": {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AA"},
        },
        {
            "id": "AA",
            "rawId": "AA",
            "type": "public-key",
            "response": {"clientDataJSON": "W10", "authenticatorData": "AA", "signature": "AA"},
        },
    ],
)
async def test_nonsense(client: httpx.AsyncClient, ada: Person, answer: dict[str, Any]) -> None:
    assert (await passkey_sign_in(client, answer)).json()["error"] == "invalid_grant"
    for path, body in (("proof", {"passkey": answer}), ("passkeys", {"name": "x", "credential": answer})):
        refused = await client.post(f"/api/v1/me/{path}", json=body, headers=ada.headers)
        assert refused.status_code == 422, refused.text


async def test_a_blocked_user(client: httpx.AsyncClient, key: Authenticator, database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(update(User).values(is_active=False))
    answer = await passkey_sign_in(client, key.get(await request_options(client)))
    assert answer.json()["error"] == "invalid_grant"


async def test_renaming_and_removing(
    client: httpx.AsyncClient, ada: Person, key: Authenticator, database: Database
) -> None:
    (mine,) = (await client.get("/api/v1/me/second-factors", headers=ada.headers)).json()["passkeys"]
    path = f"/api/v1/me/passkeys/{mine['id']}"
    renamed = await client.patch(path, json={"name": "Red key"}, headers=ada.headers)
    assert renamed.json()["name"] == "Red key"
    assert (await client.delete(path, headers=ada.headers)).status_code == 204
    assert (await client.delete(path, headers=ada.headers)).status_code == 404
    assert (await passkey_sign_in(client, key.get(await request_options(client)))).status_code == 400
    assert (await sign_in(client, ada)).status_code == 200
    async with database.session() as session:
        assert (await session.execute(select(Passkey))).first() is None


async def test_there_is_an_end_to_them(client: httpx.AsyncClient, ada: Person, database: Database) -> None:
    async with database.transaction() as session:
        for number in range(20):
            session.add(
                Passkey(
                    user_id=ada.id,
                    credential_id=bytes([number]),
                    public_key=b"x",
                    transports=["usb", "teleport"],
                    synced=False,
                    name="x",
                )
            )
    answer = await client.post("/api/v1/me/passkeys/options", headers=ada.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_passkeys")


async def test_options_for_an_expired_second_step(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/passkeys/options", json={"mfa_token": "gone"})
    assert (answer.status_code, answer.json()["code"]) == (422, "mfa_token_expired")
