"""The job that scales a service, at an engine that does as it is told: its order, and how it is undone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from backend.audit.models import AuditEvent
from backend.billing.metering.models import UsageMeter
from backend.engines.base import EngineError, ReleaseSpec, Unit, UnitState
from backend.engines.scale import unit_names
from backend.jobs.models import Job, JobState
from backend.jobs.runner import Claimed, JobError
from backend.processes import healing, work
from backend.processes.changing import SCALE
from backend.processes.work import Scaling
from backend.services.dao import ServiceDAO
from backend.services.models import Service, ServiceProcess
from backend.services.routing import Edge
from tests.services.releases import Harbour
from tests.services.test_processes import ordered, scale, wanted


def unit(harbour: Harbour, process: str, replica: int, state: UnitState = UnitState.RUNNING) -> Unit:
    address = f"127.0.0.1:2000{replica}" if process == "web" else ""
    return Unit(
        harbour.made[-1], harbour.service_id, state, address, process=process, replica=replica, listening=True
    )


class Tame:
    """Writes down what happens, beside the edge's maps."""

    def __init__(self, harbour: Harbour, units: Sequence[tuple[str, int]]) -> None:
        self._harbour = harbour
        self.there = list(units)
        self.happened: list[str] = []
        self.broken = ""
        """The method that fails."""

    async def release_units(self, _: str) -> list[Unit]:
        return [unit(self._harbour, process, replica) for process, replica in self.there]

    async def scale(self, release: ReleaseSpec, _: Any) -> None:
        self._do("scale")
        self.there = unit_names(release.processes)

    async def wait_healthy(self, *_: Any, timeout: float) -> None:
        assert timeout > 0
        self._do("check")

    def _do(self, what: str) -> None:
        self.happened.append(what)
        if what == self.broken:
            raise EngineError("unit_exited", "web.3: The app ended.")


class Ours(Claimed):
    @asynccontextmanager
    async def transaction(self, **values: Any) -> Any:
        async with self.database.transaction() as session:
            yield session


@pytest.fixture
def published(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The addresses of the live release at each publication."""
    seen: list[list[str]] = []

    async def publish(_: Edge) -> None:
        seen.append(list((await harbour.row(harbour.made[-1])).addresses))

    monkeypatch.setattr(Edge, "publish", publish)
    monkeypatch.setattr(work, "DRAIN_SECONDS", 0)
    return seen


def claimed(harbour: Harbour, job_id: str) -> Claimed:
    return Ours(
        database=harbour.database,
        id=UUID(job_id),
        kind=SCALE,
        fence=1,
        attempts=1,
        project_id=uuid4(),
        service_id=UUID(harbour.service_id),
        deployment_id=None,
        cancelled=False,
    )


def scaling(harbour: Harbour, engine: Tame) -> Scaling:
    edge = Edge(harbour.settings, harbour.database)
    return Scaling(harbour.settings, harbour.database, engine, edge)  # type: ignore[arg-type]


async def asked_for(harbour: Harbour, replicas: int) -> str:
    answer = await scale(harbour, {"name": "web", "replicas": replicas})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["job_id"])


async def begins(harbour: Harbour, job_id: str) -> None:
    async with harbour.database.transaction() as session:
        values = {"state": JobState.RUNNING, "attempts": 1}
        await session.execute(update(Job).where(Job.id == UUID(job_id)).values(**values))


async def plan_units(harbour: Harbour) -> int:
    """For how many the service is charged."""
    async with harbour.database.transaction() as session:
        chosen = (UsageMeter.service_id == UUID(harbour.service_id), UsageMeter.price_id.is_not(None))
        return int((await session.execute(select(func.sum(UsageMeter.quantity)).where(*chosen))).scalar_one())


def at(*replicas: int) -> list[str]:
    return [f"127.0.0.1:2000{replica}" for replica in replicas]


async def test_visitors_come_once_new_units_are_well(harbour: Harbour, published: list[list[str]]) -> None:
    await ordered(harbour)
    engine = Tame(harbour, [("web", 1)])
    await scaling(harbour, engine).work(claimed(harbour, await asked_for(harbour, 3)))
    assert engine.happened == ["scale", "check"]
    assert published == [at(1, 2, 3)]
    assert (await harbour.row(harbour.made[-1])).scale == {"web": 3}


async def test_visitors_go_before_units_do(harbour: Harbour, published: list[list[str]]) -> None:
    await ordered(harbour)
    await asked_for(harbour, 3)
    job = await asked_for(harbour, 1)
    engine = Tame(harbour, [("web", 1), ("web", 2), ("web", 3)])
    engine.broken = "scale"
    with pytest.raises(JobError):
        await scaling(harbour, engine).work(claimed(harbour, job))
    assert published == [at(1)]
    assert len(engine.there) == 3


@pytest.mark.parametrize("broken", ["scale", "check"])
async def test_what_fails_is_taken_back(harbour: Harbour, published: list[list[str]], broken: str) -> None:
    """Units, visitors, what is wanted, and what is paid."""
    await ordered(harbour)
    job = await asked_for(harbour, 3)
    assert await plan_units(harbour) == 3
    engine, mine = Tame(harbour, [("web", 1)]), claimed(harbour, job)
    engine.broken = broken
    with pytest.raises(JobError) as caught:
        await scaling(harbour, engine).work(mine)
    assert caught.value.code == "unit_exited"
    engine.broken = ""
    assert await scaling(harbour, engine).fail(mine, caught.value)
    assert engine.there == [("web", 1)]
    assert published[-1] == at(1)
    assert await wanted(harbour) == {"web": 1}
    assert await plan_units(harbour) == 1


async def test_an_engine_that_is_away_leaves_it_to_the_reconciler(
    harbour: Harbour, published: list[list[str]]
) -> None:
    await ordered(harbour)
    job = claimed(harbour, await asked_for(harbour, 3))
    engine = Tame(harbour, [("web", 1), ("web", 2)])
    engine.broken = "scale"
    assert await scaling(harbour, engine).fail(job, JobError("engine_unavailable", "It is away."))
    assert published == []
    assert await wanted(harbour) == {"web": 1}


async def test_a_later_wish_outlives_the_failure(harbour: Harbour, published: list[list[str]]) -> None:
    await ordered(harbour)
    first = await asked_for(harbour, 5)
    await begins(harbour, first)
    second = await asked_for(harbour, 2)
    assert second != first
    engine = Tame(harbour, [("web", 1)])
    assert await scaling(harbour, engine).fail(claimed(harbour, first), JobError("unit_exited", "It ended."))
    assert (engine.happened, published) == ([], [])
    assert await wanted(harbour) == {"web": 2}


async def test_asking_for_what_is_so_leaves_no_trace(harbour: Harbour) -> None:
    await ordered(harbour)

    async def rows() -> tuple[int, int]:
        async with harbour.database.transaction() as session:
            counts = [
                (await session.execute(select(func.count()).select_from(model))).scalar_one()
                for model in (ServiceProcess, AuditEvent)
            ]
        return counts[0], counts[1]

    before = await rows()
    answer = await scale(harbour, {"name": "web", "replicas": 1}, {"name": "worker", "replicas": 0})
    assert (answer.status_code, answer.json()["job_id"]) == (200, None)
    assert await rows() == before


async def heal(harbour: Harbour, *units: Unit) -> int:
    """How many jobs it takes to have these units made whole: those that wait afterwards."""
    async with harbour.database.transaction() as session:
        service = await ServiceDAO(session).get(UUID(harbour.service_id))
    assert service
    await healing.complete(harbour.database, service, units)
    async with harbour.database.transaction() as session:
        waiting = (Job.kind == SCALE, Job.service_id == service.id, Job.state == JobState.QUEUED)
        return int((await session.execute(select(func.count()).where(*waiting))).scalar_one())


async def at_rest(harbour: Harbour, **changes: Any) -> None:
    """No job is at work any more, nor was of late."""
    async with harbour.database.transaction() as session:
        old = func.now() - 2 * healing.PATIENCE
        await session.execute(update(Job).values(state=JobState.SUCCEEDED, created_at=old, **changes))


async def test_a_unit_that_is_gone_is_made_again(harbour: Harbour) -> None:
    await ordered(harbour)
    await asked_for(harbour, 2)
    await at_rest(harbour)
    both = [unit(harbour, "web", replica) for replica in (1, 2)]
    assert await heal(harbour, *both) == 0
    assert await heal(harbour, both[0]) == 1
    # It is at work; and when it ended, a while passes before it is tried again.
    assert await heal(harbour, both[0]) == 1
    async with harbour.database.transaction() as session:
        await session.execute(update(Job).values(state=JobState.FAILED))
    assert await heal(harbour, both[0]) == 0
    await at_rest(harbour)
    assert await heal(harbour, both[0]) == 1


async def test_a_unit_that_stands_still_or_is_too_many(harbour: Harbour) -> None:
    await ordered(harbour)
    await asked_for(harbour, 2)
    await at_rest(harbour)
    stopped = unit(harbour, "web", 2, UnitState.STOPPED)
    assert await heal(harbour, unit(harbour, "web", 1), stopped) == 1
    await at_rest(harbour)
    assert await heal(harbour, *(unit(harbour, "web", replica) for replica in (1, 2, 3))) == 1


async def test_who_changed_meanwhile_is_left_to_the_next_round(harbour: Harbour) -> None:
    await ordered(harbour)
    await at_rest(harbour)
    async with harbour.database.transaction() as session:
        service = await ServiceDAO(session).get(UUID(harbour.service_id))
        assert service
        seen = service.updated_at
    async with harbour.database.transaction() as session:
        await session.execute(update(Service).values(status_reason="It changed.", updated_at=func.now()))
    service.updated_at = seen
    await healing.complete(harbour.database, service, [])
    async with harbour.database.transaction() as session:
        assert (await session.execute(select(func.count()).where(Job.kind == SCALE))).scalar_one() == 0
