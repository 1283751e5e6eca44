"""At most one release writes to a volume: the old one ends first, and comes back if the new one does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from backend.engines.base import Limits, ReleaseSpec, Unit, UnitState, Volume, VolumeMount, VolumeSpec
from backend.jobs.runner import Claimed
from backend.services.dao import ServiceDAO
from backend.services.models import ServiceStatus
from backend.volumes import mounting
from tests.services.releases import Harbour
from tests.volumes.test_keeping import add, volumes


class Recorder:
    """Notes what is asked of an engine, in order."""

    def __init__(self, state: UnitState) -> None:
        self.state = state
        self.asked: list[tuple[str, str]] = []
        self.made_before: list[bool] = []

    async def ensure_volume(self, spec: VolumeSpec) -> Volume:
        self.asked.append(("ensure", spec.volume_id))
        self.made_before.append(spec.made)
        return Volume(spec.volume_id, "node-1", True)

    async def stop(self, deployment_id: str) -> None:
        self.asked.append(("stop", deployment_id))

    async def restart(self, deployment_id: str) -> None:
        self.asked.append(("restart", deployment_id))

    async def inspect(self, deployment_id: str) -> Unit:
        return Unit(deployment_id, "service", self.state, "127.0.0.1:1")


class Ours(Claimed):
    @asynccontextmanager
    async def transaction(self, **_: Any) -> AsyncIterator[AsyncSession]:
        async with self.database.transaction() as session:
            yield session


def job_of(harbour: Harbour, deployment_id: str) -> Ours:
    return Ours(
        database=harbour.database,
        id=uuid4(),
        kind="service.deploy",
        fence=1,
        attempts=1,
        project_id=uuid4(),
        service_id=UUID(harbour.service_id),
        deployment_id=UUID(deployment_id),
        cancelled=False,
    )


def release_of(harbour: Harbour, deployment_id: str) -> ReleaseSpec:
    return ReleaseSpec(
        deployment_id=deployment_id,
        service_id=harbour.service_id,
        project_id="project",
        build_id=deployment_id,
        command="serve",
        limits=Limits(1, 1, 1, 1),
        env={},
    )


async def accepted(harbour: Harbour) -> str:
    """The id of a deployment that waits."""
    answer = await harbour.ask("POST", f"/services/{harbour.service_id}/deployments", {})
    return str(answer.json()["deployment_id"])


async def equip(harbour: Harbour, engine: Any, deployment_id: str) -> ReleaseSpec:
    job = job_of(harbour, deployment_id)

    async def unroute() -> None:
        engine.asked.append(("unroute", ""))

    async def stop_first() -> None:
        await mounting.stop_old(job, engine, UUID(harbour.service_id), unroute)

    return await mounting.equip(job, engine, release_of(harbour, deployment_id), stop_first)


async def test_the_old_release_ends_before_the_volume_is_touched(harbour: Harbour) -> None:
    await harbour.order()
    volume = (await add(harbour)).json()["id"]
    async with harbour.database.transaction() as session:
        service = await ServiceDAO(session).get_locked(UUID(harbour.service_id))
        assert service
        service.becomes(ServiceStatus.RUNNING)
    engine, new = Recorder(UnitState.STOPPED), await accepted(harbour)
    release = await equip(harbour, engine, new)
    assert engine.asked == [("unroute", ""), ("stop", harbour.made[0]), ("ensure", volume)]
    assert release.volumes == (VolumeMount(volume, "/data", "node-1"),)
    shown = (await harbour.ask("GET", f"/services/{harbour.service_id}")).json()
    assert (shown["status"], shown["status_reason_code"]) == ("stopped", "changing_over")
    (seen,) = (await volumes(harbour)).json()["items"]
    assert (seen["bounded"], seen["grown"], seen["mounted"]) == (True, True, False)
    await harbour.live(new)
    assert (await volumes(harbour)).json()["items"][0]["mounted"]
    async with harbour.database.transaction() as session:
        again = await mounting.of_release(session, release_of(harbour, new))
    assert again.volumes == release.volumes


async def test_what_was_made_once_is_not_made_anew(harbour: Harbour) -> None:
    """An app would find an empty folder where its data was."""
    await harbour.order()
    await add(harbour)
    engine, new = Recorder(UnitState.STOPPED), await accepted(harbour)
    for _ in range(2):
        await equip(harbour, engine, new)
    assert engine.made_before == [False, True]


async def test_without_volumes_releases_overlap(harbour: Harbour) -> None:
    await harbour.order()
    engine, new = Recorder(UnitState.STOPPED), await accepted(harbour)
    assert (await equip(harbour, engine, new)).volumes == ()
    await mounting.bring_back(harbour.database, engine, UUID(harbour.service_id), UUID(new))  # type: ignore[arg-type]
    assert engine.asked == []


async def test_the_old_release_comes_back(harbour: Harbour) -> None:
    await harbour.order()
    await add(harbour)
    new = await accepted(harbour)
    for state, asked in ((UnitState.STOPPED, [("restart", harbour.made[0])]), (UnitState.RUNNING, [])):
        engine = Recorder(state)
        await equip(harbour, engine, new)
        engine.asked.clear()
        await mounting.bring_back(harbour.database, engine, UUID(harbour.service_id), UUID(new))  # type: ignore[arg-type]
        assert engine.asked == asked
