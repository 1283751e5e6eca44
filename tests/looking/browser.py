"""A browser's end of a WebSocket to the application, without a server between."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import FastAPI

PATIENCE = 20


class Closed(Exception):
    """The application closed the socket."""


class Socket:
    """`async with Socket(app) as socket`: connected to where consoles are."""

    def __init__(self, app: FastAPI, *, origin: str | None = "http://localhost:8080") -> None:
        self._app = app
        self._origin = origin
        self._to: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Socket:
        headers = [(b"host", b"localhost:8080"), (b"user-agent", b"a browser")]
        if self._origin is not None:
            headers.append((b"origin", self._origin.encode()))
        scope = {
            "type": "websocket",
            "path": "/api/v1/consoles/socket",
            "raw_path": b"/api/v1/consoles/socket",
            "query_string": b"",
            "root_path": "",
            "scheme": "ws",
            "headers": headers,
            "client": ("198.51.100.7", 50000),
            "server": ("localhost", 8080),
            "subprotocols": [],
            "app": self._app,
            "extensions": {},
        }

        async def send(message: Any) -> None:
            self._from.put_nowait(message)

        self._running = asyncio.create_task(self._app(scope, self._to.get, send))
        self._to.put_nowait({"type": "websocket.connect"})
        message = await self._next()
        if message["type"] != "websocket.accept":
            raise Closed(message)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.hang_up()
        assert self._running
        async with asyncio.timeout(PATIENCE):
            await self._running

    def hang_up(self, code: int = 1005) -> None:
        self._to.put_nowait({"type": "websocket.disconnect", "code": code})

    def say(self, what: Any) -> None:
        self._to.put_nowait({"type": "websocket.receive", "text": json.dumps(what)})

    def say_text(self, text: str) -> None:
        self._to.put_nowait({"type": "websocket.receive", "text": text})

    def type(self, data: bytes) -> None:
        self._to.put_nowait({"type": "websocket.receive", "bytes": data})

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            return await self._from.get()

    async def told(self) -> Any:
        """The next thing that the application says."""
        while True:
            message = await self._next()
            if message["type"] == "websocket.close":
                raise Closed(message)
            if message.get("text") is not None:
                return json.loads(message["text"])

    async def printed(self, count: int) -> bytes:
        seen = b""
        while len(seen) < count:
            message = await self._next()
            assert message.get("bytes") is not None, message
            seen += message["bytes"]
        return seen

    async def refused(self) -> str:
        """Why it ended, and that nothing comes after."""
        why: str = (await self.told())["end"]
        message = await self._next()
        assert message["type"] == "websocket.close"
        return why
