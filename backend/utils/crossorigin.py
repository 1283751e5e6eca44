"""What pages of other origins may ask: nothing, unless the operator lists their origin (`CORS_ORIGINS`).

A listed page may call the API with an access token of its own, and get one. Cookies are never part of
it: the refresh cookie is the panel's, and answers do not allow credentials.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.config import Settings
from backend.oauth.caller import is_panel

_PREFIX = "/api/"
_ENDPOINTS = frozenset({"/oauth/token", "/oauth/jwks", "/.well-known/oauth-authorization-server"})
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, X-Request-Id",
    "Access-Control-Max-Age": "600",
}
_EXPOSED = "Location, Retry-After, WWW-Authenticate, X-Request-Id"
_POLICY_VIOLATION = 1008


class CrossOrigin:
    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings
        self._listed = frozenset(settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and not self._may_connect(scope):
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        elif scope["type"] == "http" and self._listed and _is_open(scope["path"]):
            await self._answer(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _may_connect(self, scope: Scope) -> bool:
        """Browsers do not keep pages from opening sockets elsewhere, but say which page it is."""
        connection = HTTPConnection(scope)
        origin = connection.headers.get("origin")
        return origin is None or origin in self._listed or is_panel(origin, connection, self._settings)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        listed = origin if origin in self._listed else None

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                answered.add_vary_header("Origin")
                if listed is not None:
                    answered["Access-Control-Allow-Origin"] = listed
                    answered["Access-Control-Expose-Headers"] = _EXPOSED
            await send(message)

        asks_first = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        inner = Response(status_code=204, headers=_PREFLIGHT) if listed and asks_first else self.app
        await inner(scope, receive, send_with_origin)


def _is_open(path: str) -> bool:
    return path.startswith(_PREFIX) or path in _ENDPOINTS
