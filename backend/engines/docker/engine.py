"""The `docker` engine: services are containers of a swarm, of one node or of many."""

from __future__ import annotations

import asyncio

from backend.engines import health
from backend.engines.base import (
    ALIVE,
    BuildSpec,
    Built,
    CheckSpec,
    Engine,
    EngineError,
    EngineInfo,
    Fetched,
    FetchSpec,
    LogPage,
    Reason,
    ReleaseSpec,
    Report,
    Unit,
)
from backend.engines.docker import imagefacts, names, namespaces, readonly, template
from backend.engines.docker.client import Daemon
from backend.engines.docker.firewall import NETWORK_OPEN, Firewall
from backend.engines.docker.images import Images
from backend.engines.docker.logs import Logs
from backend.engines.docker.orphans import Orphans
from backend.engines.docker.releases import Releases, Seen
from backend.engines.docker.settings import DockerEngineSettings
from backend.engines.docker.swarm import Swarm
from backend.engines.fetching import Fetcher
from backend.engines.layout import Layout, docker_instance_of, read_json, remove_tree

LAST_LINES = 20


class DockerEngine(Engine):
    name = "docker"

    def __init__(self, settings: DockerEngineSettings) -> None:
        self._layout = layout = Layout(settings.home.resolve())
        self._instance = instance = docker_instance_of(layout.home)
        self._fetcher = Fetcher(
            layout,
            instance,
            allowed_private=settings.allowed_private,
            timeout=settings.fetch_timeout,
            max_bytes=settings.fetch_max_bytes,
        )
        daemon = Daemon(settings.host)
        self._swarm = Swarm(settings, layout, daemon)
        self._images = Images(settings, layout, daemon, instance)
        self._firewall = Firewall(layout, self._swarm, daemon, instance)
        # Their locks are held while Docker sends what was printed: readers wait there for one another.
        self._logs = Logs(layout, Daemon(settings.host), instance)
        self._releases = Releases(settings, layout, self._swarm, self._logs, instance)
        self._orphans = Orphans(layout, self._swarm, self._releases, self._images, instance, self.remove)

    async def info(self) -> EngineInfo:
        cautions = await self._swarm.cautions()
        if not await self._firewall.is_proven():
            cautions.insert(0, NETWORK_OPEN)
        return EngineInfo(self.name, "containers", cautions)

    async def examine(self) -> None:
        await self._firewall.examine(await self._images.with_python())

    async def fetch(self, spec: FetchSpec, report: Report) -> Fetched:
        self._fetcher.check_url(spec.url)
        if await self._releases.see(spec.deployment_id) is not None:
            await self._releases.remove(spec.deployment_id)
        return await self._fetcher.fetch(spec, report)

    async def build(self, spec: BuildSpec, report: Report) -> Built:
        return await self._images.build(spec, report)

    async def builds(self) -> set[str]:
        await self._swarm.check_settled()
        found = await self._swarm.call(lambda client: client.images(filters=names.mine(self._instance)))
        return set().union(*(names.deployments_of(image["RepoTags"] or ()) for image in found))

    async def start(self, spec: ReleaseSpec, report: Report) -> Unit:
        image = await self._image(spec)
        if spec.env and not image.has_shell:
            await report("This image has no /bin/sh, so its variables are not kept as secrets.")
        # Before the release is there, and so before anybody can count on its build.
        await self._swarm.settle()
        unit = await self._releases.start(spec, image)
        known = {seen.unit.deployment_id for seen in await self._releases.all()}
        await self._logs.prune(spec.service_id, known)
        await report(f"Started on port {unit.address.rpartition(':')[2]}: {spec.command or 'its image'}")
        return unit

    async def _image(self, spec: ReleaseSpec) -> template.Image:
        reference = self._images.reference(spec.service_id, spec.build_id)
        return await self._swarm.call(lambda client: imagefacts.examine(client, self._instance, reference))

    async def wait_healthy(self, spec: CheckSpec, report: Report, *, timeout: float) -> Unit:
        seen: Seen | None = None

        async def inspect() -> Unit | None:
            nonlocal seen
            seen = await self._releases.see(spec.deployment_id)
            return seen.unit if seen else None

        async def listened(_unit: Unit) -> list[str]:
            return namespaces.elsewhere(seen.listeners if seen else None)

        def last_exit() -> Reason | None:
            return seen.before if seen else None

        try:
            return await health.wait_healthy(
                spec,
                report,
                timeout=timeout,
                inspect=inspect,
                last_lines=lambda: self._logs.tail(spec.service_id, spec.deployment_id, LAST_LINES),
                listened=listened,
                last_exit=last_exit,
                inner_port=template.PORT,
            )
        except EngineError as error:
            raise readonly.explained(error) from None

    async def inspect(self, deployment_id: str) -> Unit | None:
        seen = await self._releases.see(deployment_id)
        return seen.unit if seen else None

    async def units(self) -> list[Unit]:
        return [seen.told() for seen in await self._releases.all()]

    async def restart(self, deployment_id: str) -> Unit:
        if await self._releases.see(deployment_id) is None:
            message = "This release was never started; deploy again."
            raise EngineError("release_missing", message, detail="never_started")
        if (parked := await self._releases.parked(deployment_id)) is not None:
            return await self._releases.start(parked, await self._image(parked))
        await self._releases.halt(deployment_id)
        return await self._releases.revive(deployment_id)

    async def stop(self, deployment_id: str) -> None:
        await self._releases.halt(deployment_id)

    async def rest(self) -> int:
        units = [seen.unit for seen in await self._releases.all()]
        await asyncio.gather(*(self._releases.park(unit) for unit in units))
        await self._releases.drop_unused()
        return sum(unit.state in ALIVE for unit in units)

    async def remove(self, deployment_id: str) -> None:
        at = self._layout.deployment(deployment_id)
        await asyncio.to_thread(self._fetcher.end_leftovers, at.id)
        await self._releases.remove(at.id)
        await self._images.remove(at.id)
        await asyncio.to_thread(remove_tree, at.folder)

    async def remove_service(self, service_id: str) -> None:
        logs = self._layout.service_logs(service_id)
        for seen in await self._releases.all():
            if seen.unit.service_id == service_id:
                await self.remove(seen.unit.deployment_id)
        for at in await asyncio.to_thread(self._layout.all_deployments):
            if (read_json(at.facts) or {}).get("service_id") == service_id:
                await self.remove(at.id)
        await self._images.remove_service(service_id)
        await asyncio.to_thread(remove_tree, logs)

    async def reap(self, known: set[str]) -> list[str]:
        return await self._orphans.reap(known)

    async def revive(self) -> None:
        await self._releases.revive_crashed()

    async def collect_logs(self) -> None:
        await self._logs.collect_all()

    async def read_log(self, service_id: str, *, after: str | None, limit: int) -> LogPage:
        return await self._logs.read(service_id, after, limit)
