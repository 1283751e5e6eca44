"""The log of a deployment: lines kept in the database, so that every process sees the same."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from loguru import logger
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.dao.base import BaseDAO
from backend.database import LOST, Database, now
from backend.services.environment import Redactor
from backend.services.models import DeploymentLogLine

CHANNEL = "deployment_log"
MAX_LINE = 2000
MAX_LINES = 10_000
FLUSH_SECONDS = 0.2


class LogLines(BaseDAO[DeploymentLogLine]):
    model = DeploymentLogLine

    async def last_seq(self, deployment_id: UUID) -> int:
        statement = select(func.coalesce(func.max(DeploymentLogLine.seq), 0))
        last: int = await self.scalar(statement.where(DeploymentLogLine.deployment_id == deployment_id))
        return last

    async def append(self, rows: list[dict[str, Any]]) -> None:
        await self.execute(insert(DeploymentLogLine), rows)
        await self.notify(CHANNEL, str(rows[0]["deployment_id"]))


class DeployLog:
    """Collects lines and writes them in batches; `async with` it around the work."""

    def __init__(self, database: Database, deployment_id: UUID, redact: Redactor) -> None:
        self._database = database
        self._deployment = deployment_id
        self._redact = redact
        self._waiting: list[dict[str, Any]] = []
        self._seq = 0
        self._flushing: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        async with self._database.transaction() as session:
            self._seq = await LogLines(session).last_seq(self._deployment)
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
        self._waiting.append({"deployment_id": self._deployment, "seq": self._seq, "at": now(), "text": text})

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
                    await LogLines(session).append(batch)
                    return
                async with self._database.transaction() as own:
                    await LogLines(own).append(batch)
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
    """`[{"seq", "at", "text"}]` behind `after`, at most `size`."""
    statement = (
        select(DeploymentLogLine.seq, DeploymentLogLine.at, DeploymentLogLine.text)
        .where(DeploymentLogLine.deployment_id == deployment_id, DeploymentLogLine.seq > after)
        .order_by(DeploymentLogLine.seq)
        .limit(size)
    )
    async with database.transaction() as session:
        return [dict(row._mapping) for row in await LogLines(session).rows(statement)]
