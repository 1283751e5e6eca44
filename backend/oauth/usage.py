"""When a personal token was last used, and from where: noted in memory, written behind the requests."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

from loguru import logger

from backend.database import LOST, Database, now
from backend.oauth.dao import PersonalTokenDAO

EVERY = timedelta(minutes=1)
"""How often a token's last use is written at most, by this process."""
REMEMBERED = 10_000


class Usage:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[UUID, datetime] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, token_id: UUID, address: str) -> None:
        """Costs a look into a dictionary; once in a while the use is written in the background."""
        at, last = now(), self._noted.get(token_id)
        if last is not None and at - last < EVERY:
            return
        if len(self._noted) >= REMEMBERED:
            del self._noted[next(iter(self._noted))]
        self._noted[token_id] = at
        task = asyncio.create_task(self._write(token_id, at, address))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        """Wait for what is being written."""
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def _write(self, token_id: UUID, at: datetime, address: str) -> None:
        try:
            async with self._database.transaction() as session:
                await PersonalTokenDAO(session).used(token_id, at, address)
        except LOST as error:
            logger.warning("the last use of a token was not written: {}", type(error).__name__)
