"""Pure ASGI middleware: a request id for log and answer, and an answer even to what nobody foresaw."""

from __future__ import annotations

import os
import re
from functools import partial

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.audit.actor import Actor, asking
from backend.database import is_away
from backend.exceptions import unavailable, unexpected
from backend.logger import request_id
from backend.oauth.caller import client_address

_PRIVATE = (b"cache-control", b"no-store")
"""Whatever does not say otherwise is somebody's own."""
_GIVEN = re.compile(rb"[A-Za-z0-9-]{8,64}")


def _nobody_yet(scope: Scope) -> Actor:
    """Who asks, until a token is verified: an address and a program."""
    request = HTTPConnection(scope)
    settings = scope["app"].state.parts.settings
    return Actor(
        address=client_address(request, settings.trusted_proxies),
        user_agent=request.headers.get("user-agent"),
    )


class Boundary:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        identity = given.decode() if _GIVEN.fullmatch(given) else os.urandom(16).hex()
        token = request_id.set(identity)
        asking.set(partial(_nobody_yet, scope))

        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = [*message.get("headers", ()), (b"x-request-id", identity.encode())]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(_PRIVATE)
                message["headers"] = headers
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception as error:
            say = unavailable if is_away(error) else unexpected
            answer = say(scope.get("method", "-"), scope["path"], error)
            if started or scope["type"] != "http":
                raise
            await answer(scope, receive, send_with_id)
        finally:
            request_id.reset(token)
