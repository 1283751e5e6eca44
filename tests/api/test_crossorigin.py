"""Pages of other origins: they may ask what the operator lists, and never in the name of a cookie."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from tests.api.operations import PUBLIC, Operation
from tests.support.people import Person, UserFactory
from tests.support.streams import Impatient

PANEL = "http://localhost:8080"
LISTED = "https://app.example.com"
UNLISTED = [
    "https://evil.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com.evil.net",
    "https://APP.example.com",
    "https://sub.app.example.com",
    "http://hello.localhost:8080",
    "null",
    "*",
    "",
]
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
CLOSED = ("/oauth/revoke", "/oauth/authorize", "/oauth/introspect")
OPEN = ("/oauth/token", "/oauth/jwks", "/.well-known/oauth-authorization-server", "/api/v1/services")


def permissions(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


async def preflight(client: httpx.AsyncClient, path: str, origin: str) -> httpx.Response:
    return await client.options(path, headers={"Origin": origin, **PREFLIGHT})


class TestWithoutAList:
    async def test_no_page_may_read_anything(
        self, client: httpx.AsyncClient, walk: list[Operation], objects: dict[str, str]
    ) -> None:
        for operation in walk:
            path = operation.at(objects)
            for origin in (LISTED, "null", PANEL):
                answer = await preflight(client, path, origin)
                assert (answer.status_code, permissions(answer)) == (405, {}), operation.id


class TestWithAList:
    @pytest.fixture
    def settings(self, settings_of):  # type: ignore[no-untyped-def]
        return settings_of(cors_origins=f"{LISTED}, https://other.example.com:8443")

    async def test_a_listed_page_may_ask(self, client: httpx.AsyncClient, stranger: Person) -> None:
        for path in OPEN:
            asked = await preflight(client, path, LISTED)
            assert (asked.status_code, asked.content) == (204, b"")
            assert permissions(asked) == {
                "access-control-allow-origin": LISTED,
                "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
                "access-control-allow-headers": "Authorization, Content-Type, Idempotency-Key, X-Request-Id",
                "access-control-expose-headers": "Location, Retry-After, WWW-Authenticate, X-Request-Id",
                "access-control-max-age": "600",
            }
        answer = await client.get("/api/v1/me", headers={**stranger.headers, "Origin": LISTED})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == LISTED
        assert "Origin" in answer.headers["vary"]

    async def test_errors_can_be_read_too(self, client: httpx.AsyncClient) -> None:
        for path, status in (("/api/v1/me", 401), ("/api/v1/none-such", 404), ("/oauth/token", 405)):
            answer = await client.get(path, headers={"Origin": LISTED})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == LISTED

    @pytest.mark.parametrize("origin", UNLISTED)
    async def test_no_other_origin(self, client: httpx.AsyncClient, stranger: Person, origin: str) -> None:
        for path in OPEN:
            asked = await preflight(client, path, origin)
            assert (asked.status_code, permissions(asked)) == (405, {})
        answer = await client.get("/api/v1/me", headers={**stranger.headers, "Origin": origin})
        assert permissions(answer) == {}
        # A cache must not give this answer to a page that is listed.
        assert "Origin" in answer.headers["vary"]

    async def test_nothing_else_is_open(self, client: httpx.AsyncClient) -> None:
        for path in CLOSED:
            assert permissions(await preflight(client, path, LISTED)) == {}

    async def test_cookies_are_never_part_of_it(
        self, client: httpx.AsyncClient, user_factory: UserFactory
    ) -> None:
        ada = await user_factory(client_id="panel")
        cookie = {"Cookie": f"gavan_refresh={ada.refresh_token}"}
        form = {"grant_type": "refresh_token", "client_id": "panel"}
        answer = await client.post("/oauth/token", data=form, headers={"Origin": LISTED, **cookie})
        assert answer.status_code == 403
        assert "access-control-allow-credentials" not in answer.headers


async def test_the_cookie_alone_opens_nothing(
    app: FastAPI, walk: list[Operation], objects: dict[str, str], user_factory: UserFactory
) -> None:
    """So a forged request of the browser, which brings the cookie along, does nothing."""
    ada = await user_factory(client_id="panel")
    sent = {"Cookie": f"gavan_refresh={ada.refresh_token}; gavan_device=x", "Origin": PANEL}
    transport = httpx.ASGITransport(app=Impatient(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=PANEL) as client:
        for operation in walk:
            if operation.id not in PUBLIC:
                answer = await operation.call(client, objects, headers=sent)
                assert answer.status_code == 401, (operation.id, answer.status_code)


class TestSockets:
    """There is no socket in the API yet; whoever adds one is guarded already."""

    @pytest.fixture
    def settings(self, settings_of):  # type: ignore[no-untyped-def]
        return settings_of(cors_origins=LISTED)

    @pytest.fixture
    def reached(self, app: FastAPI) -> list[str]:
        reached: list[str] = []

        async def endpoint(socket: WebSocket) -> None:
            reached.append(socket.headers.get("origin", "-"))
            await socket.accept()
            await socket.close()

        app.router.routes.append(WebSocketRoute("/api/v1/test/socket", endpoint))
        return reached

    async def connect(self, app: FastAPI, headers: dict[str, str]) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            said.append(message)

        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/api/v1/test/socket",
            "raw_path": b"/api/v1/test/socket",
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("localhost", 8080),
            "subprotocols": [],
        }
        await app(scope, receive, send)
        return said

    @pytest.mark.parametrize(
        "headers",
        [{"Origin": PANEL, "Host": "localhost:8080"}, {"Origin": LISTED}, {"Host": "localhost:8080"}],
    )
    async def test_pages_that_may(self, app: FastAPI, reached: list[str], headers: dict[str, str]) -> None:
        said = await self.connect(app, headers)
        assert [message["type"] for message in said] == ["websocket.accept", "websocket.close"]
        assert len(reached) == 1

    @pytest.mark.parametrize("origin", UNLISTED)
    async def test_pages_that_may_not(self, app: FastAPI, reached: list[str], origin: str) -> None:
        said = await self.connect(app, {"Origin": origin, "Host": "localhost:8080"})
        assert said == [{"type": "websocket.close", "code": 1008}]
        assert reached == []
