"""The `process` engine: services are processes of this machine, under a supervisord of their own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from backend.engines import health, inside, logsearch, ports, processes, sandbox, unitlog
from backend.engines.base import (
    ALIVE,
    BuildSpec,
    Built,
    Caution,
    CheckSpec,
    Engine,
    EngineError,
    EngineInfo,
    Fetched,
    FetchSpec,
    LogFound,
    LogPage,
    ProcessEngineSettings,
    ReleaseSpec,
    Report,
    Retry,
    TaskResult,
    TaskSpec,
    Terminal,
    Unit,
    UnitExit,
    UnitStats,
    Volume,
    VolumeSpec,
    VolumeUsage,
)
from backend.engines.build import Bounds, Build
from backend.engines.fetching import Fetcher
from backend.engines.layout import Layout, instance_of, read_json, remove_tree
from backend.engines.orphans import Orphans
from backend.engines.places import places
from backend.engines.processinsight import ProcessInsight
from backend.engines.processtasks import ProcessTasks
from backend.engines.scale import unit_names
from backend.engines.startup import started
from backend.engines.storage import Folders
from backend.engines.units import Units

LAST_LINES = 20


SHARED = Caution(
    "shared_machine",
    "Apps share this machine's network; memory is limited per process, CPU time not at all.",
)
NOT_ISOLATED = Caution(
    "not_isolated",
    "Apps are not isolated: bubblewrap is missing or may not make namespaces here, so customers' code can "
    "read the panel's files. Install bubblewrap, or let only people you trust deploy.",
)
VOLUMES_UNBOUNDED = Caution(
    "volumes_unbounded",
    "Nothing refuses what apps write beyond the size of their volumes, which are folders here. How full they "
    "are is watched instead.",
)
UNCOUNTED = Caution(
    "processes_uncounted", "Started by root, so the kernel does not limit how many processes an app makes."
)


class ProcessEngine(Engine):
    name = "process"
    abilities = frozenset({"console", "metrics", "replicas", "volumes", "tasks"})

    def __init__(self, settings: ProcessEngineSettings) -> None:
        self._settings = settings
        self._layout = Layout(settings.home.resolve())
        self._instance = instance = instance_of(self._layout.home)
        self._fetcher = Fetcher(
            self._layout,
            instance,
            allowed_private=settings.allowed_private,
            timeout=settings.fetch_timeout,
            max_bytes=settings.fetch_max_bytes,
        )
        self._folders = Folders(self._layout)
        self._units = Units(settings, self._layout, instance)
        self._insight = ProcessInsight(self._layout, self._units)
        self._orphans = Orphans(self._layout, self._units, instance, self.remove)
        self._tasks = ProcessTasks(settings, self._layout, instance)

    def check_url(self, url: str) -> None:
        """Refuse at once what can be told to be wrong without the network: `source_forbidden`."""
        self._fetcher.check_url(url)

    async def info(self) -> EngineInfo:
        isolation = await _isolation()
        warnings = [SHARED, VOLUMES_UNBOUNDED]
        if not isolation.arguments:
            warnings.insert(0, NOT_ISOLATED)
        elif os.getuid() == 0 or _is_mapped_root():
            warnings.append(UNCOUNTED)
        return EngineInfo(self.name, isolation.name, warnings)

    async def examine(self) -> None:
        """Nothing: `info` looks itself each time."""

    # Fetch --------------------------------------------------------------------------------------

    async def fetch(self, spec: FetchSpec, report: Report) -> Fetched:
        if spec.kind == "image":
            message = "Images run only where services run in containers, which they do not here."
            raise EngineError("source_unsupported", message)
        self._fetcher.check(spec)
        if await self._units.of(spec.deployment_id):
            await self._units.forget(spec.deployment_id)
        return await self._fetcher.fetch(spec, report)

    def _marker(self, kind: str, deployment_id: str) -> str:
        return processes.mark(kind, deployment_id, self._instance)

    # Build --------------------------------------------------------------------------------------

    async def build(self, spec: BuildSpec, report: Report) -> Built:
        bounds = Bounds(
            timeout=self._settings.build_timeout,
            max_bytes=min(spec.limits.disk_bytes, self._settings.build_max_bytes),
        )
        isolation = await _isolation()
        marker = self._marker("build", spec.deployment_id)
        return await Build(self._layout, spec, isolation, bounds, marker).run(report)

    # Run ----------------------------------------------------------------------------------------

    async def start(self, spec: ReleaseSpec, report: Report) -> Unit:
        return (await self._start(spec, report))[0]

    async def _start(self, spec: ReleaseSpec, report: Report) -> list[Unit]:
        before = {unit.name for unit in await self._units.of(spec.deployment_id) if unit.state in ALIVE}
        units = await self._units.start(spec, await _isolation())
        for line in started(spec, [unit for unit in units if unit.name not in before]):
            await report(line)
        return units

    async def scale(self, spec: ReleaseSpec, report: Report) -> list[Unit]:
        await self._units.keep_only(spec.deployment_id, unit_names(spec.processes))
        return await self._start(spec, report)

    async def wait_healthy(self, spec: CheckSpec, report: Report, *, timeout: float) -> Unit:
        async def listened(unit: Unit) -> list[int]:
            marker = self._units.marker(self._units.place(unit))
            return await asyncio.to_thread(
                lambda: ports.listened(processes.marked(lambda value: value == marker))
            )

        async def last_lines(unit: Unit) -> list[str]:
            folder = self._layout.service_logs(spec.service_id)
            return await asyncio.to_thread(unitlog.tail, folder, spec.deployment_id, LAST_LINES, unit.name)

        async def run(unit: Unit, command: str, timeout: float) -> int:
            if not self._units.has_begun(unit):
                raise ConnectionRefusedError
            return await inside.run(
                await _isolation(),
                self._units.inside(unit),
                command,
                home=self._layout.home,
                marker=self._units.marker(self._units.place(unit)),
                timeout=timeout,
            )

        looks = health.Looks(
            units=lambda: self._units.of(spec.deployment_id),
            inspect=lambda unit: self._units.inspect(unit.deployment_id, unit.process, unit.replica),
            last_lines=last_lines,
            listened=listened,
            last_exit=self._units.last_exit,
            run=run,
        )
        return await health.wait_healthy(spec, report, looks, timeout=timeout)

    async def run_task(self, spec: TaskSpec, report: Report) -> TaskResult:
        return await self._tasks.run(spec, await _isolation(), report)

    async def stop_task(self, task_id: str) -> None:
        await self._tasks.stop(task_id)

    async def tasks(self) -> set[str]:
        return await self._tasks.all()

    async def inspect(self, deployment_id: str) -> Unit | None:
        units = await self._units.of(deployment_id)
        return units[0] if units else None

    async def release_units(self, deployment_id: str) -> list[Unit]:
        return await asyncio.to_thread(self._with_listeners, await self._units.of(deployment_id))

    async def units(self) -> list[Unit]:
        return await asyncio.to_thread(self._with_listeners, await self._units.all())

    def _with_listeners(self, units: list[Unit]) -> list[Unit]:
        """A port that a unit lost may be taken by somebody else's app: then it must get no visitors."""
        running = {self._units.marker(self._units.place(unit)): unit.pid for unit in units if unit.pid}
        families = processes.families({pid: mark for mark, pid in running.items()})
        for pid, mark in processes.marks().items():
            if mark in running:
                families.setdefault(mark, set()).add(pid)
        held = ports.held(families)

        def listening(unit: Unit) -> bool | None:
            found = held.get(self._units.marker(self._units.place(unit))) if unit.address else None
            return None if found is None else int(unit.address.rpartition(":")[2]) in found

        return [
            replace(unit, listening=listens, reason=unit.reason or self._units.last_exit(unit))
            if (listens := listening(unit)) is False
            else replace(unit, listening=listens)
            for unit in units
        ]

    async def restart(self, deployment_id: str) -> Unit:
        return await self._units.restart(deployment_id)

    async def stop(self, deployment_id: str) -> None:
        await self._units.stop(deployment_id)

    async def rest(self) -> int:
        alive = [unit.deployment_id for unit in await self.units() if unit.state in ALIVE]
        await asyncio.gather(*(self.stop(deployment_id) for deployment_id in set(alive)))
        await asyncio.gather(*(self.stop_task(task_id) for task_id in await self.tasks()))
        return len(alive)

    async def remove(self, deployment_id: str) -> None:
        at = self._layout.deployment(deployment_id)
        if not at.folder.exists() and not list(self._layout.units.glob(f"{at.id}*.conf")):
            return
        await asyncio.to_thread(self._fetcher.end_leftovers, at.id)
        await self._units.forget(at.id)
        await asyncio.to_thread(remove_tree, at.folder)

    async def remove_service(self, service_id: str) -> None:
        logs = self._layout.service_logs(service_id)
        for at in await asyncio.to_thread(self._layout.all_deployments):
            started = next((facts for place in places(at) if (facts := place.facts())), None)
            facts = read_json(at.facts) or started or {}
            if facts.get("service_id") == service_id:
                await self.remove(at.id)
        await asyncio.to_thread(remove_tree, logs)

    async def reap(self, known: set[str]) -> list[str]:
        return await self._orphans.reap(known)

    async def builds(self) -> set[str]:
        if not self._layout.deployments.is_dir():
            # Not the same as none: somebody may only have forgotten to mount it.
            message = "The folder of deployments is not there."
            raise EngineError("engine_unavailable", message, retry=Retry.BACKOFF, detail="away")
        return await asyncio.to_thread(
            lambda: {at.id for at in self._layout.all_deployments() if at.has_build}
        )

    async def revive(self) -> None:
        """Nothing: the supervisor does it."""

    async def collect_logs(self) -> None:
        """Units write into the files that are read."""

    async def ensure_volume(self, spec: VolumeSpec) -> Volume:
        return await self._folders.ensure(spec)

    async def remove_volume(self, volume_id: str) -> None:
        await self._folders.remove(volume_id)

    async def volume_usage(self, volume_ids: Sequence[str]) -> dict[str, VolumeUsage]:
        return await self._folders.usage(volume_ids)

    def export_volume(self, volume_id: str) -> AsyncIterator[bytes]:
        return self._folders.export(volume_id)

    async def import_volume(self, volume_id: str, stream: AsyncIterator[bytes]) -> None:
        await self._folders.put(volume_id, stream)

    async def read_log(self, service_id: str, *, after: str | None, limit: int) -> LogPage:
        folder = self._layout.service_logs(service_id)
        return await asyncio.to_thread(unitlog.read, folder, after, limit)

    async def search_log(
        self,
        service_id: str,
        matches: Callable[[str], bool],
        *,
        unit: str | None,
        before: str | None,
        limit: int,
    ) -> LogFound:
        folder = self._layout.service_logs(service_id)
        look = partial(logsearch.search, folder, matches, unit=unit, before=before, limit=limit)
        return await asyncio.to_thread(look)

    async def stats(self) -> list[UnitStats]:
        return await self._insight.stats()

    async def exits(self) -> list[UnitExit]:
        return await self._insight.exits()

    async def terminal(
        self, deployment_id: str, process: str, replica: int, *, columns: int, rows: int
    ) -> Terminal:
        isolation = await _isolation()
        return await self._insight.terminal(
            deployment_id, process, replica, isolation, columns=columns, rows=rows
        )


async def _isolation() -> sandbox.Isolation:
    try:
        return await asyncio.to_thread(sandbox.detect_isolation)
    except OSError as error:
        message = "This machine is too busy to start anything; this is tried again by itself."
        raise EngineError(
            "engine_unavailable", message, retry=Retry.BACKOFF, detail="machine_busy"
        ) from error


def _is_mapped_root() -> bool:
    """Whether root began this under `unshare --user`: then the kernel still counts it as root."""
    try:
        fields = Path("/proc/self/uid_map").read_text().split()
    except OSError:
        return False
    return len(fields) == 3 and fields[1] == "0" and fields[2] == "1"
