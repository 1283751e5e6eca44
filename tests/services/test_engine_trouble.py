"""What the services make of an engine in trouble: neither a round nor a kept build is lost by it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import Settings
from backend.engines.base import Engine, EngineError, Retry, Unit, UnitExit, UnitState
from backend.engines.registry import make_engine
from backend.jobs.models import Job, JobState
from backend.jobs.runner import Claimed, JobError
from backend.services.deployment import RELEASE_MISSING, Deploy
from backend.services.models import Deployment
from backend.services.reconcile import reconcile
from backend.services.routing import Edge
from tests.services.releases import Harbour


class Troubled:
    """Knows one unit that nobody wants and that does not go away."""

    name = "troubled"
    abilities: frozenset[str] = frozenset()

    async def units(self) -> list[Unit]:
        return [Unit(str(uuid4()), str(uuid4()), UnitState.RUNNING, "127.0.0.1:20000")]

    async def remove_service(self, _: str) -> None:
        raise EngineError("engine_unavailable", "It does not end.", retry=Retry.BACKOFF)

    async def revive(self) -> None:
        raise EngineError("engine_unavailable", "Not now.", retry=Retry.BACKOFF)

    async def collect_logs(self) -> None: ...

    async def exits(self) -> list[UnitExit]:
        return []


class Empty(Troubled):
    """Another engine than before, which knows of nothing."""

    async def units(self) -> list[Unit]:
        return []


class Started(Troubled):
    """A release that a job starts after the round has read that it stands still."""

    def __init__(self, unit: Unit, started: bool) -> None:
        self.unit, self.started = unit, started
        self.restarted = 0

    async def units(self) -> list[Unit]:
        return [self.unit]

    async def release_units(self, _: str) -> list[Unit]:
        return [replace(self.unit, state=UnitState.RUNNING, listening=True) if self.started else self.unit]

    async def restart(self, _: str) -> None:
        self.restarted += 1
        self.started = True

    async def revive(self) -> None: ...


@pytest.mark.parametrize("started", [True, False])
async def test_what_a_job_just_started_is_not_started_again(
    harbour: Harbour, settings: Settings, monkeypatch: pytest.MonkeyPatch, started: bool
) -> None:
    """It would be ended for that."""

    async def repair(_: Edge) -> None: ...

    monkeypatch.setattr(Edge, "repair", repair)
    await harbour.order()
    async with harbour.database.transaction() as session:
        await session.execute(update(Deployment).values(engine="troubled"))
        await session.execute(update(Job).values(state=JobState.SUCCEEDED))
    unit = Unit(harbour.made[-1], str(harbour.service_id), UnitState.STOPPED, "127.0.0.1:20000")
    engine = Started(unit, started)
    await reconcile(settings, harbour.database, engine)  # type: ignore[arg-type]
    assert engine.restarted == (0 if started else 1)
    shown = (await harbour.ask("GET", f"/services/{harbour.service_id}")).json()
    assert shown["status"] == "running"


async def test_a_round_goes_on_to_the_edge(
    harbour: Harbour, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    repaired = []

    async def repair(self: Edge) -> None:
        repaired.append(self)

    monkeypatch.setattr(Edge, "repair", repair)
    await reconcile(settings, harbour.database, Troubled())  # type: ignore[arg-type]
    assert len(repaired) == 1


@pytest.mark.parametrize(
    ("engine", "code"),
    [("process", "engine_changed"), ("troubled", "release_missing"), (None, "release_missing")],
)
async def test_after_a_change_of_engine_it_is_said_to_deploy_again(
    harbour: Harbour, settings: Settings, monkeypatch: pytest.MonkeyPatch, engine: str | None, code: str
) -> None:
    async def repair(_: Edge) -> None: ...

    monkeypatch.setattr(Edge, "repair", repair)
    await harbour.order()
    async with harbour.database.transaction() as session:
        await session.execute(update(Deployment).values(engine=engine))
        # No job of the order is at work any more.
        await session.execute(update(Job).values(state=JobState.SUCCEEDED))
    await reconcile(settings, harbour.database, Empty())  # type: ignore[arg-type]
    shown = (await harbour.ask("GET", f"/services/{harbour.service_id}")).json()
    assert (shown["status"], shown["status_reason_code"]) == ("crashed", code)


class Ours(Claimed):
    @asynccontextmanager
    async def transaction(self, **values: Any) -> AsyncIterator[AsyncSession]:
        async with self.database.transaction() as session:
            yield session


@pytest.mark.parametrize("there", [True, False])
async def test_a_build_is_given_up_when_the_engine_says_so(
    harbour: Harbour, settings: Settings, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """A rollback that failed for missing files is a reason to look, no proof."""

    async def publish(_: Edge) -> None: ...

    async def builds(_: Engine) -> set[str]:
        return {*harbour.made} if there else {*harbour.made[1:]}

    async def remove(_: Engine, deployment_id: str) -> None: ...

    engine = make_engine(settings)
    monkeypatch.setattr(Edge, "publish", publish)
    monkeypatch.setattr(type(engine), "remove", remove)
    await harbour.order()
    await harbour.deploy()
    back = (await harbour.roll_back(harbour.made[0])).json()
    monkeypatch.setattr(type(engine), "builds", builds)
    deploy = Deploy(settings, harbour.database, engine, Edge(settings, harbour.database))
    job = Ours(
        database=harbour.database,
        id=UUID(back["job_id"]),
        kind="service.rollback",
        fence=1,
        attempts=1,
        project_id=uuid4(),
        service_id=UUID(harbour.service_id),
        deployment_id=UUID(back["deployment_id"]),
        cancelled=False,
    )
    assert await deploy.fail(job, JobError(RELEASE_MISSING, "The files are gone."))
    kept = await harbour.row(harbour.made[0])
    assert kept.build_kept is there
