"""The authorization endpoint: what it refuses, and that it sends nobody where nobody registered."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest

from tests.oauth.flows import (
    BACK,
    CONSENT,
    ISSUER,
    Application,
    asked,
    authorize,
    decide,
    new_verifier,
    query_of,
)
from tests.support.people import Person


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example.com/back",
        f"{BACK}/",
        f"{BACK}?next=https://evil.example.com",
        f"{BACK}#x",
        BACK.replace("https", "http"),
        BACK.upper(),
        BACK + "/../../evil",
        "https://tides.example.com@evil.example.com/back",
        "https://tides.example.com.evil.example.com/back",
        "https://tides.example.com\\@evil.example.com/back",
        "https://tides.example.com:443/back",
        "//evil.example.com/back",
        "javascript:alert(1)//https://tides.example.com/back",
        "data:text/html,x",
        "http://127.0.0.1:80/back",
        f"{BACK}%0d%0aSet-Cookie:x=1",
        f"{BACK}\r\nSet-Cookie: x=1",
        f" {BACK}",
        f'{BACK}"',
        "я" * 20,
        "x" * 4000,
        "",
        None,
    ],
)
async def test_the_browser_is_never_sent_to_an_unregistered_address(
    client: httpx.AsyncClient, bob: Person, server_app: Application, uri: str | None
) -> None:
    query = asked(server_app, new_verifier(), redirect_uri=uri)
    page = await authorize(client, query)
    assert page == f"{ISSUER}/consent?error=invalid_request"
    for decision in ("approve", "deny"):
        answer = await decide(client, bob, query, decision)
        assert answer.status_code in (400, 422), answer.text
        assert "redirect_to" not in answer.json()
    answer = await client.get(CONSENT, params=query, headers=bob.headers)
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1.evil.example.com/back",
        "http://127.0.0.1:80@evil.example.com/back",
        "http://127.0.0.1:123456/back",
        "http://127.0.0.1:/back",
        "http://127.0.0.1/elsewhere",
        "http://127.0.0.1:8000/back/",
        "http://127.0.0.2/back",
        "http://localhost/back",
        "http://[::1]/back",
        "https://127.0.0.1/back",
        "http://2130706433/back",
    ],
)
async def test_a_free_port_frees_nothing_else(
    client: httpx.AsyncClient, phone_app: Application, uri: str
) -> None:
    page = await authorize(client, asked(phone_app, new_verifier(), redirect_uri=uri))
    assert page == f"{ISSUER}/consent?error=invalid_request"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"scope": "full"}, "invalid_scope"),
        ({"scope": "me:read services:write"}, "invalid_scope"),
        ({"scope": "me:security"}, "invalid_scope"),
        ({"scope": "admin:jobs"}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "x" * 42 + "="}, "invalid_request"),
    ],
)
async def test_other_errors_go_back_to_the_application(
    client: httpx.AsyncClient,
    bob: Person,
    server_app: Application,
    changes: dict[str, str | None],
    error: str,
) -> None:
    query = asked(server_app, new_verifier(), **changes)
    location = await authorize(client, query)
    assert location.startswith(f"{BACK}?"), location
    back = query_of(location)
    assert (back["error"], back["state"], back["iss"]) == (error, "af0ifjsldkj", ISSUER)
    answer = await decide(client, bob, query)
    assert (answer.status_code, answer.json()["code"]) == (400, error)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "stranger"},
        {"client_id": "panel"},
        {"client_id": "00000000-0000-7000-8000-000000000000"},
        {"client_id": "x" * 65},
        {"client_id": "я"},
        {"state": "x" * 1001},
        {"state": "привет"},
        {"state": "a\r\nb"},
        {"scope": "x" * 1001},
        {"scope": 'me:read"'},
        {"response_type": 'co"de'},
        {"code_challenge": "x" * 129},
    ],
)
async def test_what_is_no_request_of_a_known_application(
    client: httpx.AsyncClient, bob: Person, server_app: Application, changes: dict[str, str | None]
) -> None:
    query = asked(server_app, new_verifier(), **changes)
    page = await authorize(client, query)
    assert urlsplit(page).path == "/consent"
    assert query_of(page)["error"] in ("invalid_client", "invalid_request")
    assert (await decide(client, bob, query)).status_code in (400, 422)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "scope", "state", "code_challenge"])
async def test_a_parameter_that_comes_twice(
    client: httpx.AsyncClient, server_app: Application, name: str
) -> None:
    query = asked(server_app, new_verifier())
    twice = [*query.items(), (name, query[name])]
    assert await authorize(client, twice) == f"{ISSUER}/consent?error=invalid_request"


@pytest.mark.parametrize("raw", ["%ff=%fe", "a=%00", "&".join(f"f{n}=x" for n in range(30)), "=", "%"])
async def test_a_query_that_is_none(client: httpx.AsyncClient, raw: str) -> None:
    page = await authorize(client, raw)
    assert query_of(page)["error"] in ("invalid_request", "invalid_client")
