"""The `process` engine: services are processes of this machine, under a supervisord of their own."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

from backend.engines import health, ports, processes, sandbox, unitlog
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
    LogPage,
    ProcessEngineSettings,
    ReleaseSpec,
    Report,
    Retry,
    Unit,
)
from backend.engines.build import Bounds, Build
from backend.engines.fetching import Fetcher
from backend.engines.layout import Layout, instance_of, read_json, remove_tree
from backend.engines.orphans import Orphans
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
UNCOUNTED = Caution(
    "processes_uncounted", "Started by root, so the kernel does not limit how many processes an app makes."
)


class ProcessEngine(Engine):
    name = "process"

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
        self._units = Units(settings, self._layout, instance)
        self._orphans = Orphans(self._layout, self._units, instance, self.remove)

    def check_url(self, url: str) -> None:
        """Refuse at once what can be told to be wrong without the network: `source_forbidden`."""
        self._fetcher.check_url(url)

    async def info(self) -> EngineInfo:
        isolation = await _isolation()
        warnings = [SHARED]
        if not isolation.arguments:
            warnings.insert(0, NOT_ISOLATED)
        elif os.getuid() == 0 or _is_mapped_root():
            warnings.append(UNCOUNTED)
        return EngineInfo(self.name, isolation.name, warnings)

    async def examine(self) -> None:
        """Nothing: `info` looks itself each time."""

    # Fetch --------------------------------------------------------------------------------------

    async def fetch(self, spec: FetchSpec, report: Report) -> Fetched:
        self.check_url(spec.url)
        if self._layout.deployment(spec.deployment_id).unit_facts() is not None:
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
        isolation = await _isolation()
        unit = await self._units.start(spec, isolation)
        await report(f"Started on port {unit.address.rpartition(':')[2]}: {spec.command}")
        return unit

    async def wait_healthy(self, spec: CheckSpec, report: Report, *, timeout: float) -> Unit:
        async def last_lines() -> list[str]:
            folder = self._layout.service_logs(spec.service_id)
            return await asyncio.to_thread(unitlog.tail, folder, spec.deployment_id, LAST_LINES)

        async def listened(_unit: Unit) -> list[int]:
            marker = self._marker("unit", spec.deployment_id)
            return await asyncio.to_thread(
                lambda: ports.listened(processes.marked(lambda value: value == marker))
            )

        return await health.wait_healthy(
            spec,
            report,
            timeout=timeout,
            inspect=lambda: self._units.inspect(spec.deployment_id),
            last_lines=last_lines,
            listened=listened,
            last_exit=lambda: self._units.last_exit(spec.deployment_id),
        )

    async def inspect(self, deployment_id: str) -> Unit | None:
        return await self._units.inspect(deployment_id)

    async def units(self) -> list[Unit]:
        return await asyncio.to_thread(self._with_listeners, await self._units.all())

    def _with_listeners(self, units: list[Unit]) -> list[Unit]:
        """A port that a unit lost may be taken by somebody else's app: then it must get no visitors."""
        running = {unit.deployment_id: unit.pid for unit in units if unit.pid is not None}
        marks = {self._marker("unit", deployment_id): deployment_id for deployment_id in running}
        families = processes.families({pid: deployment_id for deployment_id, pid in running.items()})
        for pid, mark in processes.marks().items():
            if mark in marks:
                families.setdefault(marks[mark], set()).add(pid)
        held = ports.held(families)

        def listening(unit: Unit) -> bool | None:
            found = held.get(unit.deployment_id)
            return None if found is None else int(unit.address.rpartition(":")[2]) in found

        return [
            replace(unit, listening=listens, reason=unit.reason or self._units.last_exit(unit.deployment_id))
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
        await asyncio.gather(*(self.stop(deployment_id) for deployment_id in alive))
        return len(alive)

    async def remove(self, deployment_id: str) -> None:
        at = self._layout.deployment(deployment_id)
        if not at.folder.exists() and not at.conf.exists():
            return
        await asyncio.to_thread(self._fetcher.end_leftovers, at.id)
        if at.conf.exists() or at.unit.exists():
            await self._units.forget(at.id)
        await asyncio.to_thread(remove_tree, at.folder)

    async def remove_service(self, service_id: str) -> None:
        logs = self._layout.service_logs(service_id)
        for at in await asyncio.to_thread(self._layout.all_deployments):
            facts = read_json(at.facts) or at.unit_facts() or {}
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

    async def read_log(self, service_id: str, *, after: str | None, limit: int) -> LogPage:
        folder = self._layout.service_logs(service_id)
        return await asyncio.to_thread(unitlog.read, folder, after, limit)


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
