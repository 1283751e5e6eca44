"""Between a browser and a terminal, until one of them, time, or a permission ends it.

Neither side is read faster than the other takes it: what waits here is bounded, however much is printed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import orjson

from backend.engines.base import Terminal

WINDOW = 256 * 1024
"""Bytes that the browser may have to show yet, by its own account."""
LARGEST = 64 * 1024
"""Of one message."""


class Wire(Protocol):
    """The browser."""

    async def receive(self) -> bytes | str | None:
        """None once it is gone."""

    async def send(self, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Bounds:
    idle_seconds: float
    """Without a key being typed."""
    longest_seconds: float
    look_seconds: float = 10.0
    """Between two looks at whether they still may; sooner when something is announced."""


class Relay:
    def __init__(
        self,
        terminal: Terminal,
        wire: Wire,
        bounds: Bounds,
        *,
        trouble: Callable[[], Awaitable[str | None]],
        noticed: asyncio.Event,
    ) -> None:
        self._terminal, self._wire, self._bounds = terminal, wire, bounds
        self._trouble, self._noticed = trouble, noticed
        self._unseen = 0
        self._room = asyncio.Event()
        self._room.set()
        self._typed_at = time.monotonic()

    async def run(self) -> str:
        """Until it is over; why."""
        works = [asyncio.ensure_future(work()) for work in (self._output, self._input, self._watch)]
        try:
            done, _ = await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    async def _output(self) -> str:
        while True:
            await self._room.wait()
            data = await self._terminal.read()
            if not data:
                return "ended"
            self._unseen += len(data)
            if self._unseen >= WINDOW:
                self._room.clear()
            await self._wire.send(data)

    async def _input(self) -> str:
        while (message := await self._wire.receive()) is not None:
            if len(message) > LARGEST:
                return "too_large"
            if isinstance(message, bytes):
                self._typed_at = time.monotonic()
                await self._terminal.write(message)
            else:
                await self._told(message)
        return "left"

    async def _told(self, message: str) -> None:
        """What is not for the shell: how much was shown, and how large the window is. Nonsense is nothing."""
        with contextlib.suppress(ValueError):
            said = orjson.loads(message)
            if not isinstance(said, dict):
                return
            seen = said.get("seen")
            if isinstance(seen, int) and _is_count(seen):
                self._unseen = max(0, self._unseen - seen)
                if self._unseen < WINDOW:
                    self._room.set()
            size = said.get("resize")
            if isinstance(size, list) and len(size) == 2 and all(map(_is_count, size)):
                await self._terminal.resize(*size)

    async def _watch(self) -> str:
        began = time.monotonic()
        while True:
            self._noticed.clear()
            if (why := await self._trouble()) is not None:
                return why
            present = time.monotonic()
            left = began + self._bounds.longest_seconds - present
            idle = self._typed_at + self._bounds.idle_seconds - present
            if left <= 0:
                return "longest"
            if idle <= 0:
                return "idle"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._noticed.wait(), min(self._bounds.look_seconds, left, idle))


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**31
