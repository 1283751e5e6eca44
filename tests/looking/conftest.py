"""A service of Ada's that is live, and an engine that says what a test wants."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from backend.config import Settings
from backend.database import Database
from backend.engines.base import EngineError, Terminal, UnitExit, UnitStats
from backend.jobs.models import Job, JobState
from backend.services.models import Service, ServiceStatus
from tests.services.releases import Harbour
from tests.support.people import Person, UserFactory


class Echo(Terminal):
    """Prints what is typed."""

    def __init__(self) -> None:
        self.printed: asyncio.Queue[bytes] = asyncio.Queue()
        self.sizes: list[tuple[int, int]] = []
        self.reads = 0
        self.closed = False

    async def read(self) -> bytes:
        self.reads += 1
        return await self.printed.get()

    async def write(self, data: bytes) -> None:
        self.printed.put_nowait(data)

    async def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))

    async def close(self) -> None:
        self.closed = True


@dataclass
class Told:
    """Stands in for the engine."""

    name: str = "process"
    abilities: frozenset[str] = frozenset({"console", "metrics"})
    units: list[UnitStats] = field(default_factory=list)
    ended: list[UnitExit] = field(default_factory=list)
    trouble: EngineError | None = None
    opened: list[Echo] = field(default_factory=list)
    asked: list[tuple[object, ...]] = field(default_factory=list)

    async def stats(self) -> list[UnitStats]:
        if self.trouble:
            raise self.trouble
        return self.units

    async def exits(self) -> list[UnitExit]:
        if self.trouble:
            raise self.trouble
        return self.ended

    async def terminal(
        self, deployment_id: str, process: str, replica: int, *, columns: int, rows: int
    ) -> Terminal:
        self.asked.append((deployment_id, process, replica, columns, rows))
        if self.trouble:
            raise self.trouble
        self.opened.append(Echo())
        return self.opened[-1]


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory()


@pytest.fixture
def engine(app: FastAPI) -> Told:
    told = Told()
    app.state.parts.engine = told
    return told


@pytest.fixture
async def harbour(
    client: httpx.AsyncClient, database: Database, settings: Settings, ada: Person, engine: Told
) -> Harbour:
    harbour = Harbour(client, database, settings, ada)
    await harbour.order()
    deployment_id = UUID(harbour.made[0])
    async with database.transaction() as session:
        await session.execute(
            update(Service).values(
                status=ServiceStatus.RUNNING,
                live_deployment_id=deployment_id,
                routed_deployment_id=deployment_id,
            )
        )
        await session.execute(update(Job).values(state=JobState.SUCCEEDED))
    return harbour


@pytest.fixture
def live_id(harbour: Harbour) -> UUID:
    return UUID(harbour.made[0])
