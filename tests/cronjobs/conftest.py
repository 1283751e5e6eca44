"""A live service of Ada's with cron jobs, an engine made of words, and a worker that runs when told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from backend.config import Settings
from backend.cronjobs import scheduling
from backend.cronjobs.models import CronJob, CronRun
from backend.cronjobs.running import CronRuns
from backend.database import Database
from backend.engines.base import Engine, Report, TaskResult, TaskSpec
from backend.engines.tasks import ended
from backend.jobs import runner
from backend.jobs.models import Job
from tests.services.conftest import ada, harbour  # noqa: F401
from tests.services.releases import Harbour

LEASE = timedelta(seconds=30)


class WordyEngine:
    """A command is a list of words: `print x`, `exit 3`, `wait` until `release` is set."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.stopped: list[str] = []
        self.release = asyncio.Event()
        self.results: dict[str, TaskResult] = {}

    async def run_task(self, spec: TaskSpec, report: Report) -> TaskResult:
        if spec.task_id not in self.begun:
            self.begun.append(spec.task_id)
        code = 0
        for line in spec.command.splitlines():
            word, _, rest = line.partition(" ")
            if word == "print":
                await report(rest)
            elif word == "wait":
                await self.release.wait()
            elif word == "exit":
                code = int(rest)
        return self.results.get(spec.task_id, ended(code))

    async def stop_task(self, task_id: str) -> None:
        self.stopped.append(task_id)

    async def tasks(self) -> set[str]:
        return set(self.begun) - set(self.stopped)


@dataclass
class Pier:
    harbour: Harbour
    settings: Settings
    engine: WordyEngine = field(default_factory=WordyEngine)

    @property
    def database(self) -> Database:
        return self.harbour.database

    @property
    def service_id(self) -> str:
        return self.harbour.service_id

    async def add(self, **changes: Any) -> dict[str, Any]:
        answer = await self.try_to_add(**changes)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def try_to_add(self, **changes: Any) -> httpx.Response:
        body = {"name": "Tide", "schedule": "* * * * *", "command": "print ahoy", **changes}
        return await self.harbour.ask("POST", f"/services/{self.service_id}/cron-jobs", body)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.harbour.ask(method, path, body, **headers)

    async def got(self, path: str) -> dict[str, Any]:
        answer = await self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def runs(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        """Newest first."""
        return list((await self.got(f"/cron-jobs/{job['id']}/runs?size=100"))["items"])

    async def states(self, job: dict[str, Any]) -> list[str]:
        return [run["state"] for run in await self.runs(job)]

    async def tick(self, at: datetime, **settings: Any) -> None:
        await scheduling.tick(self.settings.model_copy(update=settings), self.database, at)

    async def due(self, job: dict[str, Any], at: datetime) -> None:
        """Have its next time be this one."""
        async with self.database.transaction() as session:
            row = await session.get(CronJob, UUID(job["id"]))
            assert row
            row.next_run_at = at

    async def queued(self) -> list[UUID]:
        async with self.database.transaction() as session:
            found = await session.execute(
                select(Job.id).where(Job.kind == "cron.run", Job.state == "queued").order_by(Job.id)
            )
            return [row.id for row in found]

    async def work(self) -> None:
        """What workers do until nothing waits."""
        while waiting := await self.queued():
            await asyncio.gather(*(self.work_on(job_id) for job_id in waiting))

    async def work_on(self, job_id: UUID) -> None:
        engine = cast(Engine, self.engine)
        kinds = CronRuns(self.settings, self.database, engine).kinds()
        await runner.run(job_id, self.database, kinds, LEASE)

    async def row(self, run_id: str) -> CronRun:
        async with self.database.transaction() as session:
            row = await session.get(CronRun, UUID(run_id))
            assert row
            return row


@pytest.fixture
async def pier(harbour: Harbour, settings: Settings) -> Pier:  # noqa: F811
    await harbour.order()
    return Pier(harbour, settings)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(600):
        if await condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came to that")
