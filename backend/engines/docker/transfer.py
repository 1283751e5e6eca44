"""A volume's content as a stream, by a container that has it and never runs.

docker-py reads and writes in threads, its callers are tasks: a short queue stands between the two.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from docker import APIClient
from docker.errors import APIError
from docker.types import Mount

from backend.engines.base import EngineError
from backend.engines.docker.client import Daemon, NotFound
from backend.engines.storage import refused

AT = "/volume"
CHUNK = 256 * 1024
WAITING = 16
"""Chunks that may wait for who is slower."""
LOOK = 0.5
"""Seconds after which a thread that waits looks whether anybody is there."""

Helper = Callable[..., contextlib.AbstractContextManager[str]]


class Transfer:
    def __init__(self, daemon: Daemon, helper: Helper) -> None:
        self._daemon, self._helper = daemon, helper

    async def export(self, image: str, volume: str) -> AsyncIterator[bytes]:
        chunks: queue.Queue[bytes | None] = queue.Queue(WAITING)
        left = threading.Event()

        def read(client: APIClient) -> None:
            try:
                with self._holding(client, image, volume) as identity:
                    content, _ = client.get_archive(identity, f"{AT}/.", chunk_size=CHUNK)
                    with contextlib.closing(content):
                        for chunk in content:
                            if not _offer(chunks, chunk, left):
                                return
            finally:
                _offer(chunks, None, left)

        reading = asyncio.ensure_future(self._daemon.call_long(read))
        try:
            while (chunk := await asyncio.to_thread(chunks.get)) is not None:
                yield chunk
            await reading
        finally:
            left.set()
            with contextlib.suppress(queue.Empty):
                while True:
                    chunks.get_nowait()
            await asyncio.wait([reading])

    async def put(self, image: str, volume: str, stream: AsyncIterator[bytes]) -> None:
        chunks: queue.Queue[bytes | None] = queue.Queue(WAITING)
        left, cut_off = threading.Event(), threading.Event()

        def given() -> Iterator[bytes]:
            while (chunk := chunks.get()) is not None:
                yield chunk
            if cut_off.is_set():
                raise ConnectionError("the archive was cut off")

        def write(client: APIClient) -> None:
            try:
                with self._holding(client, image, volume) as identity:
                    client.put_archive(identity, AT, given())
            except APIError as error:
                raise refused(str(error.explanation or error)) from error
            finally:
                left.set()

        writing = asyncio.ensure_future(self._daemon.call_long(write))
        try:
            async for chunk in stream:
                if not await asyncio.to_thread(_offer, chunks, chunk, left):
                    break
        except BaseException:
            cut_off.set()
            raise
        finally:
            await asyncio.to_thread(_offer, chunks, None, left)
            await asyncio.wait([writing])
        try:
            await writing
        except NotFound:
            raise EngineError("volume_missing", "The volume is gone from this Docker.") from None

    def _holding(self, client: APIClient, image: str, volume: str) -> contextlib.AbstractContextManager[str]:
        mounts: list[Any] = [Mount(AT, volume, type="volume", no_copy=True)]
        return self._helper(client, image, ["/bin/true"], mounts=mounts, network_mode="none")


def _offer(chunks: queue.Queue[bytes | None], chunk: bytes | None, left: threading.Event) -> bool:
    """Whether it was taken, before whoever takes them left."""
    while not left.is_set():
        with contextlib.suppress(queue.Full):
            chunks.put(chunk, timeout=LOOK)
            return True
    return False
