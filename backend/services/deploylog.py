"""The log of a deployment: lines kept in the database, so that every process sees the same."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.dao.lines import LineDAO
from backend.database import LOST, Database, now
from backend.services.environment import Redactor
from backend.services.log_dao import LogLines

MAX_LINE = 2000
MAX_LINES = 10_000
FLUSH_SECONDS = 0.2
AGAIN = "— taken up again after an interruption —"


class DeployLog:
    """Collects lines and writes them in batches; `async with` it around the work."""

    def __init__(
        self,
        database: Database,
        owner_id: UUID,
        redact: Redactor,
        lines: type[LineDAO] = LogLines,
    ) -> None:
        self._database = database
        self._owner = owner_id
        self._lines = lines
        self._redact = redact
        self._waiting: list[dict[str, Any]] = []
        self._seq = 0
        self._flushing: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        async with self._database.transaction() as session:
            self._seq = await self._lines(session).last_seq(self._owner)
        self._flushing = asyncio.create_task(self._flush_often())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._flushing is not None
        self._ended.set()
        # Not cancelled, also not by our own cancellation: lines that are on their way would be lost.
        await asyncio.shield(self._flushing)

    async def write(self, line: str) -> None:
        if self._seq >= MAX_LINES:
            return
        self._seq += 1
        text = self._redact(line)[:MAX_LINE].replace("\x00", "�")
        if self._seq == MAX_LINES:
            text = f"— the log is cut here: it has reached {MAX_LINES} lines —"
        self._waiting.append({self._lines.owner: self._owner, "seq": self._seq, "at": now(), "text": text})

    async def flush(self, session: AsyncSession | None = None) -> None:
        """Have everything written; inside `session` it is seen if and only if that commits.

        Raises database errors: what must not lose its lines waits for them here.
        """
        async with self._writing:
            batch, self._waiting = self._waiting, []
            if not batch:
                return
            try:
                if session is not None:
                    await self._lines(session).append(batch)
                    return
                async with self._database.transaction() as own:
                    await self._lines(own).append(batch)
            except BaseException:
                self._waiting = batch + self._waiting
                raise

    async def _flush_often(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), FLUSH_SECONDS)
            ended = self._ended.is_set()
            try:
                await self.flush()
            except LOST as error:
                # Kept for the next flush; a deployment does not end because its log had to wait.
                logger.warning("deployment log waits: {}", type(error).__name__)
            if ended:
                return


async def read_log(database: Database, deployment_id: UUID, after: int, size: int) -> list[dict[str, Any]]:
    """As `LogLines.after`."""
    async with database.transaction() as session:
        return await LogLines(session).after(deployment_id, after, size)
