"""The client `panel`: its refresh token lives in a cookie that only the panel's own pages can use."""

from __future__ import annotations

import httpx
import pytest

from tests.identity.oauth import COOKIE, ORIGIN, REVOKE, TOKEN, me, refresh, set_cookie, sign_in
from tests.support.people import Person, UserFactory

FOREIGN = [
    {"Origin": "http://evil.localhost:8080"},
    {"Origin": "http://localhost:8081"},
    {"Origin": "https://localhost:8080"},
    {"Origin": "http://localhost:8080.example.com"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-site"},
    {"Origin": "http://evil.localhost:8080", "Host": "evil.localhost:8080"},
    {"Origin": "http://evil.example.com", "Host": "evil.example.com"},
]


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory(client_id="panel")


async def test_the_token_is_in_the_cookie_only(client: httpx.AsyncClient, ada: Person) -> None:
    answer = await sign_in(client, ada, client_id="panel", headers=ORIGIN)
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json()
    value, attributes = set_cookie(answer)
    assert value not in answer.text
    assert attributes == {"httponly", "samesite=strict", "path=/oauth", f"max-age={30 * 86_400}"}
    renewed = await refresh(client, client_id="panel", cookie=value, headers=ORIGIN)
    assert "refresh_token" not in renewed.json()
    assert set_cookie(renewed)[0] != value
    assert (await me(client, renewed.json()["access_token"])).status_code == 200


class TestOverTls:
    @pytest.fixture
    def settings(self, settings_of):  # type: ignore[no-untyped-def]
        return settings_of(panel_url="https://panel.example.com")

    async def test_the_cookie_is_secure(self, client: httpx.AsyncClient, ada: Person) -> None:
        headers = {"Origin": "https://panel.example.com"}
        answer = await sign_in(client, ada, client_id="panel", headers=headers)
        cookies = answer.headers.get_list("set-cookie")
        (cookie,) = [cookie for cookie in cookies if COOKIE in cookie]
        assert cookie.startswith(f"__Secure-{COOKIE}=")
        assert {"secure", "httponly", "samesite=strict"} <= set(cookie.lower().split("; "))
        assert all("secure" in cookie.lower().split("; ") for cookie in cookies)

    async def test_one_that_plain_http_could_have_set_is_none(
        self, client: httpx.AsyncClient, ada: Person
    ) -> None:
        form = {"grant_type": "refresh_token", "client_id": "panel"}
        headers = {"Origin": "https://panel.example.com"}
        for prefix, status in (("", 400), ("__Secure-", 200)):
            sent = {**headers, "Cookie": f"{prefix}{COOKIE}={ada.refresh_token}"}
            answer = await client.post(TOKEN, data=form, headers=sent)
            assert answer.status_code == status

    async def test_plain_http_is_another_origin(self, client: httpx.AsyncClient, ada: Person) -> None:
        headers = {"Origin": "http://panel.example.com"}
        answer = await refresh(client, client_id="panel", cookie=ada.refresh_token, headers=headers)
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        ORIGIN,
        {"Sec-Fetch-Site": "same-origin"},
        {**ORIGIN, "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://127.0.0.1:8080", "Host": "127.0.0.1:8080"},
        {"Origin": "http://[::1]:8080", "Host": "[::1]:8080"},
    ],
)
async def test_pages_of_the_panel_may_use_it(
    client: httpx.AsyncClient, ada: Person, headers: dict[str, str]
) -> None:
    answer = await refresh(client, client_id="panel", cookie=ada.refresh_token, headers=headers)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("headers", [*FOREIGN, {}])
async def test_others_may_not(client: httpx.AsyncClient, ada: Person, headers: dict[str, str]) -> None:
    answer = await refresh(client, client_id="panel", cookie=ada.refresh_token, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
    assert "set-cookie" not in answer.headers
    cookie = {"Cookie": f"{COOKIE}={ada.refresh_token}"}
    answer = await client.post(REVOKE, data={"client_id": "panel"}, headers={**headers, **cookie})
    assert answer.status_code == 403
    assert (await me(client, ada.access_token)).status_code == 200


class TestInProduction:
    @pytest.fixture
    def settings(self, settings_of):  # type: ignore[no-untyped-def]
        settings = settings_of()
        object.__setattr__(settings, "environment", "production")
        return settings

    async def test_no_other_name_of_the_machine_will_do(self, client: httpx.AsyncClient, ada: Person) -> None:
        headers = {"Origin": "http://127.0.0.1:8080", "Host": "127.0.0.1:8080"}
        answer = await refresh(client, client_id="panel", cookie=ada.refresh_token, headers=headers)
        assert answer.status_code == 403


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_foreign_page_cannot_sign_its_visitor_in(
    client: httpx.AsyncClient, ada: Person, headers: dict[str, str]
) -> None:
    answer = await sign_in(client, ada, client_id="panel", headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_the_client_cli_ignores_the_cookie(client: httpx.AsyncClient, ada: Person) -> None:
    answer = await refresh(client, client_id="cli", cookie=ada.refresh_token, headers=ORIGIN)
    assert answer.json()["error"] == "invalid_request"


@pytest.mark.parametrize("value", ["", "x", "x" * 4000, "a;b", '"quoted"', "%00"])
async def test_a_cookie_of_anything(client: httpx.AsyncClient, value: str) -> None:
    answer = await refresh(client, client_id="panel", cookie=value, headers=ORIGIN)
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_grant", "invalid_request")


async def test_signing_out_clears_it(client: httpx.AsyncClient, ada: Person) -> None:
    headers = {**ORIGIN, "Cookie": f"{COOKIE}={ada.refresh_token}"}
    for _ in range(2):
        answer = await client.post(REVOKE, data={"client_id": "panel"}, headers=headers)
        assert answer.status_code == 200
        value, attributes = set_cookie(answer)
        assert value == ""
        assert {"max-age=0", "path=/oauth", "httponly", "samesite=strict"} <= attributes
        assert (await me(client, ada.access_token)).status_code == 401
    form = {"grant_type": "refresh_token", "client_id": "panel"}
    assert (await client.post(TOKEN, data=form, headers=headers)).json()["error"] == "invalid_grant"


async def test_signing_out_without_a_cookie_is_fine(client: httpx.AsyncClient) -> None:
    assert (await client.post(REVOKE, data={"client_id": "panel"}, headers=ORIGIN)).status_code == 200
