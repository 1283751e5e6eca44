"""Event streams in tests: their status and headers are of interest, their end is never waited for."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Impatient:
    """The application, hanging up on an event stream as soon as that has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = asyncio.Event()

        async def send_until_begun(message: Message) -> None:
            if begun.is_set():
                return
            await send(message)
            if message["type"] == "http.response.start" and _streams(message):
                begun.set()
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        answering = asyncio.ensure_future(self._app(scope, receive, send_until_begun))
        waiting = asyncio.ensure_future(begun.wait())
        try:
            await asyncio.wait({answering, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
        finally:
            for task in (answering, waiting):
                task.cancel()
            await asyncio.gather(answering, waiting, return_exceptions=True)


class Heard:
    """The application; `something` is set once it has sent a part of a body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.something = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_tell(message: Message) -> None:
            await send(message)
            if message.get("body"):
                self.something.set()

        await self._app(scope, receive, send_and_tell)


def _streams(start: Message) -> bool:
    return dict(start["headers"]).get(b"content-type", b"").startswith(b"text/event-stream")
