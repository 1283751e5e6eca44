"""Changes announced by the database: LISTEN/NOTIFY fanned out to whoever waits in this process.

A notice is sent by the transaction that made the change and arrives only if that commits,
so that nobody can see it too early, and none depends on Redis. Notices carry ids, never data.
When the connection is lost, waiters are woken (they re-read) and `on_gap` callbacks run.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import asyncpg
from loguru import logger

from backend.database import Database

CHANNELS = ("job", "deployment_log", "identity")


class Notices:
    """Subscribe to `(channel, payload)`; `run()` keeps the listening connection alive."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiters: dict[tuple[str, str], set[asyncio.Event]] = defaultdict(set)
        self._callbacks: dict[str, list[Callable[[str], None]]] = defaultdict(list)
        self._gaps: list[Callable[[], None]] = []
        self.connected = False

    def on(self, channel: str, callback: Callable[[str], None]) -> None:
        self._callbacks[channel].append(callback)

    def on_gap(self, callback: Callable[[], None]) -> None:
        """Runs when notices may have been missed: forget what was cached."""
        self._gaps.append(callback)

    @contextmanager
    def subscribed(self, channel: str, payload: str, event: asyncio.Event | None = None):  # type: ignore[no-untyped-def]
        """An `asyncio.Event` that is set at each notice; clear it, then read. One may be for several."""
        key, event = (channel, payload), event or asyncio.Event()
        self._waiters[key].add(event)
        try:
            yield event
        finally:
            self._waiters[key].discard(event)
            if not self._waiters[key]:
                del self._waiters[key]

    async def run(self) -> None:
        while True:
            try:
                await self._listen()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                logger.warning("notices interrupted: {}", type(error).__name__)
            self._lost()
            await asyncio.sleep(0.5)

    async def _listen(self) -> None:
        connection = await self._database.listen()
        gone = asyncio.Event()
        connection.add_termination_listener(lambda _: gone.set())
        try:
            for channel in CHANNELS:
                await connection.add_listener(channel, self._arrived)
            self._lost()
            self.connected = True
            await gone.wait()
        finally:
            self.connected = False
            connection.terminate()

    def _arrived(self, _connection: Any, _pid: int, channel: str, payload: Any) -> None:
        for event in self._waiters.get((channel, payload), ()):
            event.set()
        for callback in self._callbacks[channel]:
            callback(payload)

    def _lost(self) -> None:
        self.connected = False
        for events in list(self._waiters.values()):
            for event in events:
                event.set()
        for callback in self._gaps:
            callback()
