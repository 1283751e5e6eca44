"""Jobs over the real database, run by `backend.jobs.runner` with small kinds of work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI

from backend.catalogue.loading import Plans
from backend.database import Database, now
from backend.jobs import queue, runner
from backend.jobs.models import Job
from backend.jobs.runner import Claimed, JobError, Kind
from backend.services.models import Service
from tests.support.people import Person, UserFactory

KIND = "service.deploy"
LEASE = timedelta(seconds=30)
SHORT = timedelta(seconds=0.4)

Work = Callable[[Claimed], Awaitable[None]]


async def nothing(_: Claimed) -> None:
    return


@dataclass
class Bench:
    """`settled` records what `fail` and `cancel` of the kind were called with."""

    app: FastAPI
    person: Person
    settled: list[str] = field(default_factory=list)

    @property
    def database(self) -> Database:
        return self.app.state.parts.database

    async def put(self, service_id: UUID | None = None, kind: str = KIND) -> UUID:
        async with self.database.transaction() as session:
            job = await queue.accept(
                session,
                kind,
                project_id=self.person.project_id,
                user_id=self.person.id,
                service_id=service_id,
            )
            return job.id

    async def service(self) -> UUID:
        async with self.database.transaction() as session:
            plan = (await Plans(session).offered())[0]
            service = Service(
                project_id=self.person.project_id,
                name=f"s{uuid4().hex[:20]}",
                template_id="git-app",
                plan_id=plan["id"],
                repo_url="https://git.example.com/a.git",
                health_path="/",
            )
            session.add(service)
            await session.flush()
            return service.id

    async def row(self, job_id: UUID) -> Job:
        async with self.database.transaction() as session:
            job = await session.get(Job, job_id)
            assert job is not None
            return job

    async def change(self, job_id: UUID, **values: Any) -> None:
        async with self.database.transaction() as session:
            job = await session.get(Job, job_id)
            for name, value in values.items():
                setattr(job, name, value)

    async def due_now(self, job_id: UUID) -> None:
        """Instead of waiting for a back-off to pass."""
        await self.change(job_id, run_at=now() - timedelta(seconds=1))

    async def run(
        self, job_id: UUID, work: Work, *, lease: timedelta = LEASE, kind: str = KIND
    ) -> runner.Waiting | None:
        return await runner.run(job_id, self.database, {kind: self.kind(work)}, lease)

    def kind(self, work: Work, *, done_before: bool = False) -> Kind:
        async def fail(_: Claimed, error: JobError) -> bool:
            self.settled.append(f"fail {error.code}")
            return not done_before

        async def cancel(_: Claimed) -> bool:
            self.settled.append("cancel")
            return not done_before

        return Kind(work, fail, cancel)

    async def cancel(self, job_id: UUID) -> Job:
        async with self.database.transaction() as session:
            return await queue.cancel(session, job_id)


@pytest.fixture
async def bench(app: FastAPI, user_factory: UserFactory) -> Bench:
    return Bench(app, await user_factory())


async def soon(check: Callable[[], Awaitable[Any]], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await check():
            await asyncio.sleep(0.01)
