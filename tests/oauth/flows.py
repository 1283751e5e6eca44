"""An application of a customer, and the steps of its flows as an honest one takes them."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from tests.identity.oauth import TOKEN
from tests.support.people import Person

BACK = "https://tides.example.com/back"
CONSENT = "/api/v1/me/consent"
ISSUER = "http://localhost:8080"


@dataclass(frozen=True)
class Application:
    id: str
    secret: str | None
    redirect_uri: str

    @property
    def basic(self) -> dict[str, str]:
        pair = f"{self.id}:{self.secret}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


async def register(client: httpx.AsyncClient, owner: Person, **changes: Any) -> Application:
    body = {
        "name": "Tide calendar",
        "confidential": True,
        "grants": ["authorization_code", "refresh_token"],
        "redirect_uris": [BACK],
        "scopes": ["me:read", "services:read", "jobs:read"],
        **changes,
    }
    answer = await client.post("/api/v1/me/applications", json=body, headers=owner.headers)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return Application(made["id"], made["client_secret"], (made["redirect_uris"] or [""])[0])


class Verifier(str):
    @property
    def challenge(self) -> str:
        return base64.urlsafe_b64encode(hashlib.sha256(self.encode()).digest()).rstrip(b"=").decode()


def new_verifier() -> Verifier:
    return Verifier(secrets.token_urlsafe(48))


def asked(application: Application, verifier: Verifier, **changes: Any) -> dict[str, str]:
    """An authorization request; a parameter that is None is left out."""
    query = {
        "response_type": "code",
        "client_id": application.id,
        "redirect_uri": application.redirect_uri,
        "scope": "me:read services:read",
        "state": "af0ifjsldkj",
        "code_challenge": verifier.challenge,
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in query.items() if value is not None}


async def decide(
    client: httpx.AsyncClient, person: Person, query: dict[str, str], decision: str = "approve"
) -> httpx.Response:
    return await client.post(CONSENT, json={"decision": decision, **query}, headers=person.headers)


def brought_back(answer: httpx.Response) -> dict[str, str]:
    """What the browser brings to the application."""
    assert answer.status_code == 200, answer.text
    return query_of(answer.json()["redirect_to"])


def query_of(location: str) -> dict[str, str]:
    pairs = parse_qsl(urlsplit(location).query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs), "a parameter comes twice"
    return dict(pairs)


async def code_for(
    client: httpx.AsyncClient, person: Person, application: Application, verifier: Verifier, **changes: Any
) -> str:
    back = brought_back(await decide(client, person, asked(application, verifier, **changes)))
    assert "error" not in back, back
    return back["code"]


async def exchange(
    client: httpx.AsyncClient, application: Application, code: str, verifier: str | None, /, **changes: Any
) -> httpx.Response:
    """By HTTP Basic if the application has a secret; a field that is None is left out."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": application.redirect_uri,
        "code_verifier": verifier,
        "client_id": application.id,
        **changes,
    }
    headers = application.basic if application.secret else {}
    sent = {name: value for name, value in form.items() if value is not None}
    return await client.post(TOKEN, data=sent, headers=headers)


async def let_in(
    client: httpx.AsyncClient, person: Person, application: Application, **changes: Any
) -> dict[str, Any]:
    """The whole flow; the answer of the token endpoint."""
    verifier = new_verifier()
    code = await code_for(client, person, application, verifier, **changes)
    answer = await exchange(client, application, code, verifier)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def form_of(
    client: httpx.AsyncClient, path: str, application: Application, **fields: str
) -> httpx.Response:
    headers = application.basic if application.secret else {}
    data = fields if application.secret else {"client_id": application.id, **fields}
    return await client.post(path, data=data, headers=headers)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def authorize(client: httpx.AsyncClient, query: Any) -> str:
    """Where the browser is sent."""
    answer = await client.get("/oauth/authorize", params=query)
    assert answer.status_code == 303, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.headers["location"]
