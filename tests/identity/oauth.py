"""Speaking to the OAuth endpoints in tests."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import orjson

from tests.support.people import PASSWORD, Person

TOKEN = "/oauth/token"
REVOKE = "/oauth/revoke"
ORIGIN = {"Origin": "http://localhost:8080"}
COOKIE = "gavan_refresh"


async def sign_in(
    client: httpx.AsyncClient,
    person: Person | str,
    password: str = PASSWORD,
    *,
    client_id: str = "cli",
    headers: dict[str, str] | None = None,
    **more: str,
) -> httpx.Response:
    username = person if isinstance(person, str) else person.email
    data = {"grant_type": "password", "client_id": client_id, "username": username, "password": password}
    return await client.post(TOKEN, data={**data, **more}, headers=headers)


async def refresh(
    client: httpx.AsyncClient,
    token: str | None = None,
    *,
    client_id: str = "cli",
    cookie: str | None = None,
    headers: dict[str, str] | None = None,
    **more: str,
) -> httpx.Response:
    data = {"grant_type": "refresh_token", "client_id": client_id, **more}
    if token is not None:
        data["refresh_token"] = token
    sent = dict(headers or {})
    if cookie is not None:
        sent["Cookie"] = f"{COOKIE}={cookie}"
    return await client.post(TOKEN, data=data, headers=sent)


async def me(client: httpx.AsyncClient, access_token: str) -> httpx.Response:
    return await client.get("/api/v1/me", headers={"Authorization": f"Bearer {access_token}"})


def set_cookie(answer: httpx.Response) -> tuple[str, set[str]]:
    """The value of the refresh cookie that the answer sets, and its attributes in lower case."""
    (header,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith(COOKIE)]
    pair, *attributes = [part.strip() for part in header.split(";")]
    name, _, value = pair.partition("=")
    assert name == COOKIE
    return value.strip('"'), {attribute.lower() for attribute in attributes}


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWT, unverified."""
    header, claims, _ = token.split(".")
    return _json(header), _json(claims)


def encode(value: Any) -> str:
    return encode_bytes(orjson.dumps(value))


def encode_bytes(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _json(part: str) -> dict[str, Any]:
    return orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
