"""Finds what nobody knows any more: folders, programs and processes of deployments that are gone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from backend.engines import processes
from backend.engines.layout import Layout, checked, remove_tree
from backend.engines.units import Units

CACHE_KEPT = 30 * 86400
"""Seconds for which a project's package cache is kept after its last build."""
TASKS = "task-"
"""Of programs that are somebody else's to remove; see `processtasks.py`."""
YOUNG = 600
"""Seconds for which a folder may belong to a deployment that began after the list of known ones was made."""


class Orphans:
    def __init__(
        self, layout: Layout, units: Units, instance: str, remove: Callable[[str], Awaitable[None]]
    ) -> None:
        self._layout, self._units, self._instance, self._remove = layout, units, instance, remove

    async def reap(self, known: set[str]) -> list[str]:
        """Remove deployments that are not in `known` and not young. Returns their ids."""
        removed = []
        for at in await asyncio.to_thread(self._layout.all_deployments):
            if at.id in known or self._is_young(at.id):
                continue
            await self._remove(at.id)
            removed.append(at.id)
        present = {at.id for at in await asyncio.to_thread(self._layout.all_deployments)}
        programs = {name for name in await self._units.groups() if not name.startswith(TASKS)}
        for deployment_id in {name.partition(".")[0] for name in programs} - present - known:
            await self._units.forget(checked(deployment_id))
            removed.append(deployment_id)
        await asyncio.to_thread(self._end_processes, present | known)
        await asyncio.to_thread(self._drop_unused_caches)
        return removed

    def _drop_unused_caches(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            for cache in list(self._layout.caches.iterdir()):
                if time.time() - cache.stat().st_mtime > CACHE_KEPT:
                    remove_tree(cache)

    def _is_young(self, deployment_id: str) -> bool:
        try:
            return time.time() - self._layout.deployment(deployment_id).folder.stat().st_ctime < YOUNG
        except FileNotFoundError:
            return False

    def _end_processes(self, keep: set[str]) -> None:
        strays = set()

        def collect(value: str) -> bool:
            kind, _, rest = value.partition(":")
            name, _, instance = rest.partition("@")
            if kind == "unit" and instance == self._instance and name.partition(".")[0] not in keep:
                strays.add(value)
            return False

        processes.marked(collect)
        for marker in strays:
            processes.end_leftovers(marker, None, None, grace=1)
