"""Long requests whose answer comes piece by piece: builds and pulls."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from docker import APIClient
from docker.errors import DockerException
from docker.types.daemon import CancellableStream
from requests import Response

from backend.engines.docker.client import Daemon

Message = dict[str, Any]
AHEAD = 64
"""Messages that wait for whoever reads them; then the daemon waits too."""
PARTING = 10
"""Seconds that the thread of an abandoned request gets to notice it."""


@contextlib.asynccontextmanager
async def messages(
    daemon: Daemon, request: Callable[[APIClient], Response]
) -> AsyncIterator[AsyncIterator[Message]]:
    """The messages of the answer. Leaving the block closes the connection, which ends the work behind it."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[Message | None] = asyncio.Queue()
    reader = _Reader(request, lambda message: loop.call_soon_threadsafe(waiting.put_nowait, message))
    thread = asyncio.ensure_future(daemon.call_long(reader.run))

    async def received() -> AsyncIterator[Message]:
        while (message := await waiting.get()) is not None:
            reader.taken()
            yield message
        await thread

    try:
        yield received()
    finally:
        reader.close()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(asyncio.shield(thread), PARTING)


class _Reader:
    """Runs in a thread; `close` may be called from any other."""

    def __init__(
        self, request: Callable[[APIClient], Response], give: Callable[[Message | None], object]
    ) -> None:
        self._request, self._give = request, give
        self._slots = threading.Semaphore(AHEAD)
        self._closed = threading.Event()
        self._stream: CancellableStream | None = None

    def run(self, client: APIClient) -> None:
        try:
            response = self._request(client)
            client._raise_for_status(response)
            self._stream = CancellableStream(client._stream_helper(response, decode=True), response)
            for message in self._stream:
                self._slots.acquire()
                if self._closed.is_set():
                    break
                self._give(message)
        finally:
            if self._stream is not None:
                self._hang_up()
                response.close()
            self._give(None)

    def taken(self) -> None:
        self._slots.release()

    def close(self) -> None:
        self._closed.set()
        self._slots.release()
        if self._stream is not None:
            self._hang_up()

    def _hang_up(self) -> None:
        assert self._stream
        with contextlib.suppress(OSError, DockerException, AttributeError):
            self._stream.close()
