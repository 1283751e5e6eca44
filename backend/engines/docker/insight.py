"""What containers on this machine use, how tasks ended, and shells inside of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import NotFound as Missing

from backend.engines.base import EngineError
from backend.engines.docker import cgroupstats, names, states, whose
from backend.engines.docker.client import Daemon
from backend.engines.docker.states import Task
from backend.engines.docker.terminal import ContainerTerminal
from backend.engines.insight import Terminal, UnitExit, UnitStats, not_running

REMEMBERED = 1000
_ENDED = frozenset({"failed", "complete", "rejected"})
"""States of tasks that ended by themselves; one that was asked to is `shutdown`."""
ELSEWHERE = "This part of the service runs on another node; a console opens on the panel's own only."


@dataclass(frozen=True, slots=True)
class _Seen:
    """A container that was found to be a unit of ours; without a place it cannot be looked at from here."""

    unit: whose.UnitIds
    place: cgroupstats.Place | None


class Insight:
    def __init__(self, daemon: Daemon, instance: str) -> None:
        self._daemon, self._instance = daemon, instance
        self._containers: dict[str, _Seen] = {}
        self._folders: dict[Path, frozenset[str]] = {}
        self._oom: dict[str, bool] = {}

    async def stats(self) -> list[UnitStats]:
        """Asks the daemon only when containers came or went: for that the folders of cgroups are enough."""
        if not self._folders or any(_entries(folder) != known for folder, known in self._folders.items()):
            await self._daemon.call(self._look_around)
        return [
            UnitStats(
                deployment_id=seen.unit.deployment_id,
                service_id=seen.unit.service_id,
                process=seen.unit.process,
                replica=seen.unit.replica,
                life=container_id,
                cpu_seconds=usage.cpu_seconds,
                memory_bytes=usage.memory_bytes,
                memory_limit=usage.memory_limit,
                received_bytes=usage.received_bytes,
                sent_bytes=usage.sent_bytes,
            )
            for container_id, seen in self._containers.items()
            if seen.place is not None and (usage := cgroupstats.read(seen.place)) is not None
        ]

    def _look_around(self, client: APIClient) -> None:
        found = {}
        folders = {seen.place.memory.parent for seen in self._containers.values() if seen.place}
        before = {folder: _entries(folder) for folder in folders | set(self._folders)}
        for container in client.containers(filters=names.mine(self._instance)):
            identity = container["Id"]
            known = self._containers.get(identity)
            unit = known.unit if known else whose.unit_of(self._instance, container)
            if unit is None:
                continue
            place = known.place if known else None
            if place is None:
                with contextlib.suppress(Missing):
                    pid = client.inspect_container(identity)["State"]["Pid"]
                    place = cgroupstats.place_of(pid, identity) if pid else None
            found[identity] = _Seen(unit, place)
        self._containers = found
        # As they were before the question: what came since is seen to be new the next time.
        here = {seen.place.memory.parent for seen in found.values() if seen.place}
        self._folders = {folder: before.get(folder, frozenset()) for folder in here}

    async def exits(self) -> list[UnitExit]:
        return await self._daemon.call(self._exits)

    def _exits(self, client: APIClient) -> list[UnitExit]:
        found = []
        for task in client.tasks(filters={**names.mine(self._instance), "desired-state": ["shutdown"]}):
            unit = whose.unit_of_task(self._instance, task)
            if unit is None or task["Status"]["State"] not in _ENDED:
                continue
            reason = states.end_of(task, lambda life: self._was_oom(client, life))
            found.append(
                UnitExit(
                    deployment_id=unit.deployment_id,
                    service_id=unit.service_id,
                    process=unit.process,
                    replica=unit.replica,
                    at=_ended_at(task),
                    reason=reason,
                )
            )
        return found

    def _was_oom(self, client: APIClient, container_id: str) -> bool:
        if container_id not in self._oom:
            if len(self._oom) > REMEMBERED:
                self._oom.clear()
            try:
                self._oom[container_id] = client.inspect_container(container_id)["State"]["OOMKilled"]
            except Missing:
                return False
        return self._oom[container_id]

    async def terminal(
        self, deployment_id: str, process: str, replica: int, *, columns: int, rows: int
    ) -> Terminal:
        mine = names.mine(self._instance, deployment=deployment_id)

        def seek(client: APIClient) -> tuple[str | None, bool]:
            for container in client.containers(filters=mine):
                unit = whose.unit_of(self._instance, container)
                if unit is not None and (unit.process, unit.replica) == (process, replica):
                    return container["Id"], True
            return None, any(
                _runs(task) and _is(whose.unit_of_task(self._instance, task), process, replica)
                for task in client.tasks(filters=mine)
            )

        container_id, runs = await self._daemon.call(seek)
        if container_id is None:
            raise EngineError("unit_elsewhere", ELSEWHERE) if runs else not_running()
        return await ContainerTerminal.open(self._daemon, container_id, columns, rows)


def _is(unit: whose.UnitIds | None, process: str, replica: int) -> bool:
    return unit is not None and (unit.process, unit.replica) == (process, replica)


def _runs(task: Mapping[str, Any]) -> bool:
    return bool(task["Status"]["State"] == "running")


def _ended_at(task: Task) -> datetime:
    return states.moment(task["Status"]["Timestamp"])


def _entries(folder: Path) -> frozenset[str]:
    try:
        return frozenset(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except OSError:
        return frozenset()
