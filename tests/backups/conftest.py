"""A live service of Ada's with a volume that is a real folder, a target, and workers that run when told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update

from backend.backups import kinds, tending
from backend.backups.models import Backup, BackupPlan
from backend.backups.working import Place
from backend.config import Settings
from backend.database import Database
from backend.engines.base import Engine, EngineError, Report, TaskResult, TaskSpec, Unit, UnitState
from backend.engines.layout import Layout
from backend.engines.mounts import Volume as Made
from backend.engines.mounts import VolumeSpec
from backend.engines.storage import Folders
from backend.engines.tasks import ended
from backend.jobs import runner
from backend.jobs.models import Job
from backend.services.routing import Edge
from backend.volumes.models import Volume
from tests.services.conftest import ada, harbour  # noqa: F401
from tests.services.releases import Harbour

LEASE = timedelta(seconds=30)


class Killed(BaseException):
    """The worker is gone at once: no handler of its runs."""


class Shore:
    """Volumes are the process engine's; its units are words."""

    def __init__(self, home: Path) -> None:
        self.folders = Folders(Layout(home))
        self.state = UnitState.RUNNING
        self.calls: list[str] = []
        self.trouble: dict[str, list[BaseException | None]] = {}
        """By call: what each of the next ones raises."""
        self.running_while_imported: list[tuple[str, UnitState]] = []
        self.commands: list[str] = []
        self.exit_code = 0

    def _may(self, call: str) -> None:
        self.calls.append(call)
        if waiting := self.trouble.get(call):
            error = waiting.pop(0)
            if error is not None:
                raise error

    async def ensure_volume(self, spec: VolumeSpec) -> Made:
        self._may("ensure")
        return await self.folders.ensure(spec)

    async def remove_volume(self, volume_id: str) -> None:
        self._may("remove")
        await self.folders.remove(volume_id)

    async def export_volume(self, volume_id: str) -> AsyncIterator[bytes]:
        self._may("export")
        async for chunk in self.folders.export(volume_id):
            yield chunk
        self._may("exported")

    async def import_volume(self, volume_id: str, stream: AsyncIterator[bytes]) -> None:
        self._may("import")
        self.running_while_imported.append((volume_id, self.state))
        await self.folders.put(volume_id, stream)
        self._may("imported")

    async def inspect(self, deployment_id: str) -> Unit:
        return Unit(deployment_id, "", self.state, "")

    async def stop(self, deployment_id: str) -> None:
        self._may("stop")
        self.state = UnitState.STOPPED

    async def restart(self, deployment_id: str) -> None:
        self._may("restart")
        self.state = UnitState.RUNNING

    async def run_task(self, spec: TaskSpec, report: Report) -> TaskResult:
        self.commands.append(spec.command)
        return ended(self.exit_code)

    async def stop_task(self, task_id: str) -> None:
        pass


class Quiet:
    async def publish(self) -> None:
        pass


@dataclass
class Pier:
    harbour: Harbour
    settings: Settings
    home: Path
    engine: Shore
    volume_id: str = ""
    place: Place = field(init=False)

    def __post_init__(self) -> None:
        self.aim(self.settings)

    def aim(self, settings: Settings) -> None:
        self.settings = settings
        engine, edge = cast(Engine, self.engine), cast(Edge, Quiet())
        self.place = Place(settings, self.database, engine, edge)

    @property
    def database(self) -> Database:
        return self.harbour.database

    @property
    def service_id(self) -> str:
        return self.harbour.service_id

    @property
    def data(self) -> Path:
        return self.engine.folders.data(self.volume_id)

    @property
    def volumes(self) -> set[str]:
        return {path.name for path in (self.home / "volumes").iterdir()}

    @property
    def objects(self) -> list[Path]:
        assert self.settings.backup_dir
        return [path for path in self.settings.backup_dir.rglob("*") if path.is_file()]

    async def add_volume(self, name: str = "data", path: str = "/data") -> str:
        body = {"name": name, "path": path, "size_gib": 1}
        answer = await self.harbour.ask("POST", f"/services/{self.service_id}/volumes", body)
        assert answer.status_code == 201, answer.text
        volume_id = str(answer.json()["id"])
        spec = VolumeSpec(volume_id, self.service_id, "0", 2**30)
        await self.engine.folders.ensure(spec)
        async with self.database.transaction() as session:
            made = update(Volume).where(Volume.id == UUID(volume_id)).values(made_bytes=2**30)
            await session.execute(made)
        return volume_id

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.harbour.ask(method, path, body, **headers)

    async def make(self) -> httpx.Response:
        return await self.ask("POST", f"/services/{self.service_id}/backups", {"volume_id": self.volume_id})

    async def made(self) -> dict[str, Any]:
        """A good one."""
        answer = await self.make()
        assert answer.status_code == 202, answer.text
        await self.work()
        (found,) = [one for one in await self.listed() if one["id"] == answer.json()["backup_id"]]
        return found

    async def restore(self, backup: dict[str, Any], **changes: Any) -> httpx.Response:
        body = {"backup_id": backup["id"], "volume_id": self.volume_id, "name": "data", **changes}
        return await self.ask("POST", f"/services/{self.service_id}/restores", body)

    async def listed(self) -> list[dict[str, Any]]:
        answer = await self.ask("GET", f"/backups?service_id={self.service_id}&size=100")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    async def restored(self) -> dict[str, Any]:
        """What became of the newest."""
        answer = await self.ask("GET", f"/services/{self.service_id}/restores")
        return dict(answer.json()["items"][0])

    async def plan(self, **changes: Any) -> httpx.Response:
        body = {"schedule": "0 3 * * *", **changes}
        return await self.ask("PUT", f"/services/{self.service_id}/backup-plan", body)

    async def due(self, at: datetime) -> None:
        async with self.database.transaction() as session:
            await session.execute(update(BackupPlan).values(next_run_at=at))

    async def tend(self, at: datetime | None = None) -> None:
        await tending.tend(self.place, at)

    async def work(self) -> None:
        """What workers do until nothing waits."""
        for _ in range(100):
            async with self.database.transaction() as session:
                await session.execute(update(Job).values(run_at=Job.created_at))
                waiting = select(Job.id).where(Job.kind.startswith("backup."), Job.state == "queued")
                found = [row.id for row in await session.execute(waiting.order_by(Job.id))]
            if not found:
                return
            for job_id in found:
                await self.work_on(job_id)
        raise AssertionError("it never ends")

    async def work_on(self, job_id: UUID) -> None:
        try:
            await runner.run(job_id, self.database, kinds.kinds(self.place), LEASE)
        except Killed:
            # The relay finds it when its lease has run out.
            async with self.database.transaction() as session:
                lapsed = update(Job).where(Job.id == job_id).values(state="queued", fence=Job.fence + 1)
                await session.execute(lapsed)

    async def row(self, backup_id: str) -> Backup:
        async with self.database.transaction() as session:
            row = await session.get(Backup, UUID(backup_id))
            assert row
            return row

    def nothing_left(self) -> None:
        assert self.volumes == {self.volume_id}


@pytest.fixture
async def pier(harbour: Harbour, settings: Settings, tmp_path: Path) -> Pier:  # noqa: F811
    await harbour.order()
    async with harbour.database.transaction() as session:
        await session.execute(update(Job).values(state="succeeded"))
    pier = Pier(harbour, settings, tmp_path / "engine", Shore(tmp_path / "engine"))
    pier.volume_id = await pier.add_volume()
    folder = pier.data / "deep"
    folder.mkdir()
    (folder / "ship.txt").write_text("Meridian")
    (pier.data / "hold.bin").write_bytes(bytes(range(256)) * 8192)
    (pier.data / "flag").symlink_to("deep/ship.txt")
    (pier.data / "twin").hardlink_to(pier.data / "hold.bin")
    (pier.data / "пустой").touch()
    return pier


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"backup_dir": tmp_path / "backups"})


def tree(folder: Path) -> dict[str, bytes | str]:
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def away(code: str = "engine_unavailable") -> EngineError:
    return EngineError(code, "The engine is away.")
