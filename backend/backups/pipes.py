"""Bytes from one thread to another, never more of them than fit into a few chunks."""

from __future__ import annotations

import queue
from typing import Any

WAITING = 16
LOOK = 0.5
"""Seconds after which who waits looks whether the other side is still there."""


class Broken(Exception):
    """The other side gave up."""


class Pipe:
    """A file for its reader and its writer."""

    def __init__(self) -> None:
        self._chunks: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._rest = b""
        self._ended = False
        self.broken = False

    def give_up(self) -> None:
        """From either side: whoever waits at the other one is told `Broken`."""
        self.broken = True

    def write(self, data: Any) -> int:
        content = bytes(data)
        if content:
            self._put(content)
        return len(content)

    def flush(self) -> None:
        """Everything is on its way already."""

    def end(self) -> None:
        self._put(None)

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, as soon as there are any; all of them if negative; nothing at the end."""
        if size < 0:
            return b"".join(iter(lambda: self.read(2**20), b""))
        if not self._rest and not self._ended:
            chunk = self._get()
            self._ended = chunk is None
            self._rest = chunk or b""
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def _put(self, chunk: bytes | None) -> None:
        while not self.broken:
            try:
                self._chunks.put(chunk, timeout=LOOK)
                return
            except queue.Full:
                continue
        raise Broken

    def _get(self) -> bytes | None:
        while not self.broken:
            try:
                return self._chunks.get(timeout=LOOK)
            except queue.Empty:
                continue
        raise Broken
