"""What the process trees of units use, how they ended, and shells beside them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backend.engines import procstats, sandbox
from backend.engines.base import EngineError, Unit
from backend.engines.exits import exited
from backend.engines.insight import Terminal, UnitExit, UnitStats, not_running
from backend.engines.launch import read_status
from backend.engines.layout import Layout
from backend.engines.sealed import SealBroken
from backend.engines.shell import Shell
from backend.engines.units import Units


class ProcessInsight:
    def __init__(self, layout: Layout, units: Units) -> None:
        self._layout, self._units = layout, units

    async def stats(self) -> list[UnitStats]:
        units = [unit for unit in await self._units.all() if unit.pid is not None]
        return await asyncio.to_thread(_used, units)

    async def exits(self) -> list[UnitExit]:
        units = await self._units.all()
        return await asyncio.to_thread(self._exits, units)

    def _exits(self, units: list[Unit]) -> list[UnitExit]:
        found = []
        for unit in units:
            place = self._units.place(unit)
            facts = place.facts()
            if facts is None or facts["stopped"]:
                continue
            ended = last_exit(place.status)
            if ended is not None:
                at, code = ended
                found.append(
                    UnitExit(
                        unit.deployment_id,
                        unit.service_id,
                        unit.process,
                        unit.replica,
                        at,
                        exited(code, unit.process),
                    )
                )
        return found

    async def terminal(
        self,
        deployment_id: str,
        process: str,
        replica: int,
        isolation: sandbox.Isolation,
        *,
        columns: int,
        rows: int,
    ) -> Terminal:
        wanted = (deployment_id, process, replica)
        for unit in await self._units.all():
            if (unit.deployment_id, unit.process, unit.replica) == wanted and unit.pid is not None:
                break
        else:
            raise not_running()
        release = await asyncio.to_thread(self._open, unit)
        tree = Path(release.get("tree", self._layout.deployment(deployment_id).tree))
        try:
            shown = sandbox.show({**release, "files": ()})
        except OSError:
            raise not_running() from None
        return await Shell.open(
            isolation,
            release["stage"],
            home=self._layout.home,
            writable=[tree],
            # The unit's own: it ends with the unit.
            marker=self._units.marker(self._units.place(unit)),
            columns=columns,
            rows=rows,
            shown=shown,
        )

    def _open(self, unit: Unit) -> dict[str, Any]:
        try:
            return self._units.inside(unit)
        except (OSError, SealBroken):
            raise EngineError(
                "release_missing", "The files of this release are gone; deploy again."
            ) from None


def last_exit(status: Path) -> tuple[datetime, int] | None:
    """When and with which status the latest life ended that is over."""
    facts = read_status(status)
    if "exit-code" in facts:
        try:
            # The sandbox wrote it as the last thing.
            return datetime.fromtimestamp(status.stat().st_mtime, UTC), int(facts["exit-code"])
        except OSError:
            return None
    if facts.get("previous_exit") is not None and facts.get("previous_exit_at") is not None:
        return datetime.fromtimestamp(facts["previous_exit_at"], UTC), int(facts["previous_exit"])
    return None


def _used(units: list[Unit]) -> list[UnitStats]:
    by_name = {f"{unit.deployment_id}/{unit.name}": unit for unit in units}
    used = procstats.of_trees({unit.pid: name for name, unit in by_name.items() if unit.pid is not None})
    return [
        UnitStats(
            deployment_id=unit.deployment_id,
            service_id=unit.service_id,
            process=unit.process,
            replica=unit.replica,
            life=str(unit.pid),
            cpu_seconds=usage.cpu_seconds,
            memory_bytes=usage.memory_bytes,
            memory_limit=None,
        )
        for name, usage in used.items()
        for unit in (by_name[name],)
    ]
