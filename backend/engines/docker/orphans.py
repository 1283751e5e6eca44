"""Finds what nobody knows any more: folders, services, images and what else is left of deployments."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from docker import APIClient

from backend.engines.docker import names
from backend.engines.docker.images import Images
from backend.engines.docker.releases import Releases
from backend.engines.docker.states import moment
from backend.engines.docker.swarm import Swarm
from backend.engines.layout import Layout
from backend.engines.orphans import YOUNG


class Orphans:
    def __init__(
        self,
        layout: Layout,
        swarm: Swarm,
        releases: Releases,
        images: Images,
        instance: str,
        remove: Callable[[str], Awaitable[None]],
    ) -> None:
        self._layout, self._swarm, self._releases, self._images = layout, swarm, releases, images
        self._instance, self._remove = instance, remove

    async def reap(self, known: set[str]) -> list[str]:
        """Remove deployments that are not in `known` and not young. Returns their ids."""
        found = await self._swarm.call(self._found)
        for at in await asyncio.to_thread(self._layout.all_deployments):
            with contextlib.suppress(FileNotFoundError):
                found[at.id] = max(found.get(at.id, 0.0), at.folder.stat().st_ctime)
        removed = [name for name, since in found.items() if name not in known and time.time() - since > YOUNG]
        for deployment_id in removed:
            await self._remove(deployment_id)
        # Networks that could not go with the last release that used them.
        await self._releases.drop_unused()
        await self._images.prune()
        return removed

    def _found(self, client: APIClient) -> dict[str, float]:
        """Deployments that have a service or an image, and since when."""
        mine = names.mine(self._instance)
        found: dict[str, float] = {}
        for service in client.services(filters=names.releases(self._instance)):
            found[service["Spec"]["Labels"][names.DEPLOYMENT]] = moment(service["CreatedAt"]).timestamp()
        for image in client.images(filters=mine):
            for deployment_id in names.deployments_of(image["RepoTags"] or ()):
                found[deployment_id] = max(found.get(deployment_id, 0.0), float(image["Created"]))
        return found
