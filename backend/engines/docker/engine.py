"""The `docker` engine: services are containers of a swarm, of one node or of many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from backend.engines import health, logsearch
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
    LogFound,
    LogPage,
    Reason,
    ReleaseSpec,
    Report,
    TaskResult,
    TaskSpec,
    Terminal,
    Unit,
    UnitExit,
    UnitState,
    UnitStats,
    Volume,
    VolumeSpec,
    VolumeUsage,
)
from backend.engines.docker import imagefacts, inside, names, namespaces, readonly, template
from backend.engines.docker.client import Daemon
from backend.engines.docker.firewall import NETWORK_OPEN, Firewall
from backend.engines.docker.images import Images
from backend.engines.docker.insight import Insight
from backend.engines.docker.logs import Logs
from backend.engines.docker.nodes import NodesOfSwarm
from backend.engines.docker.orphans import Orphans
from backend.engines.docker.releases import Releases, Seen
from backend.engines.docker.remotelogs import RemoteLogs
from backend.engines.docker.settings import DockerEngineSettings
from backend.engines.docker.shared import SharedImages
from backend.engines.docker.swarm import Swarm
from backend.engines.docker.sweeping import Sweeping
from backend.engines.docker.tasks import Tasks
from backend.engines.docker.volumes import Volumes
from backend.engines.fetching import Fetcher
from backend.engines.layout import Layout, docker_instance_of, read_json, remove_tree
from backend.engines.nodes import Availability, JoinOrder, Nodes
from backend.engines.startup import started

LAST_LINES = 20
HELPER = "gavan/helper:latest"
"""The name under which nodes get an image that has Python."""


class DockerEngine(Engine):
    name = "docker"
    abilities = frozenset({"console", "images", "metrics", "nodes", "replicas", "volumes", "tasks"})

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
        self._daemon = daemon = Daemon(settings.host, login=settings.shared)
        self._swarm = Swarm(settings, layout, daemon)
        self._images = Images(settings, layout, daemon, instance)
        self._firewall = Firewall(layout, self._swarm, daemon, instance)
        # Their locks are held while Docker sends what was printed: readers wait there for one another.
        self._logs = Logs(layout, Daemon(settings.host), instance)
        self._releases = Releases(settings, layout, self._swarm, self._logs, instance)
        self._volumes = Volumes(layout, self._swarm, daemon, instance, self._images.with_python)
        self._tasks = Tasks(layout, self._swarm, instance, settings.secret)
        self._insight = Insight(daemon, instance)
        self._remote_logs = RemoteLogs(layout, self._swarm, instance)
        self._shared = SharedImages(daemon, settings.shared, instance)
        self._nodes = NodesOfSwarm(daemon, self._swarm, instance)
        self._sweeping = Sweeping(layout, self._swarm, instance, settings.node_socket)
        self._orphans = Orphans(layout, self._swarm, self._releases, self._images, instance, self.remove)

    async def info(self) -> EngineInfo:
        cautions = await self._swarm.cautions()
        if not await self._firewall.is_proven():
            cautions.insert(0, NETWORK_OPEN)
        return EngineInfo(self.name, "containers", [*cautions, *await self._volumes.cautions()])

    async def examine(self) -> None:
        image = await self._shared.publish(await self._images.with_python(), HELPER)
        await self._firewall.examine(image)
        await self._volumes.examine()
        if self._shared.available:
            await self._sweeping.sweep(image)

    async def fetch(self, spec: FetchSpec, report: Report) -> Fetched:
        self._fetcher.check(spec)
        if await self._releases.see(spec.deployment_id):
            await self._releases.remove(spec.deployment_id)
        ids = spec.deployment_id, spec.project_id
        bounds = await self._images.bounds(*ids) if spec.kind == "image" else None
        return await self._fetcher.fetch(spec, report, bounds)

    async def architecture(self) -> str:
        return await self._images.architecture()

    async def build(self, spec: BuildSpec, report: Report) -> Built:
        return await self._images.build(spec, report)

    async def builds(self) -> set[str]:
        await self._swarm.check_settled()
        found = await self._swarm.call(lambda client: client.images(filters=names.mine(self._instance)))
        return set().union(*(names.deployments_of(image["RepoTags"] or ()) for image in found))

    async def start(self, spec: ReleaseSpec, report: Report) -> Unit:
        return (await self._start(spec, report))[0]

    async def _start(self, spec: ReleaseSpec, report: Report) -> list[Unit]:
        image = await self._image(spec)
        if spec.env and not image.has_shell:
            await report("This image has no /bin/sh, so its variables are not kept as secrets.")
        await self._volumes.attach_all(spec.volumes)
        # Before the release is there, and so before anybody can count on its build.
        await self._swarm.settle()
        before = {seen.unit.name for seen in await self._releases.see(spec.deployment_id)}
        units = await self._releases.start(spec, image)
        known = [seen.unit for seen in await self._releases.all()]
        running = {unit.deployment_id for unit in known if unit.state is not UnitState.STOPPED}
        await self._logs.prune(spec.service_id, running)
        for line in started(spec, [unit for unit in units if unit.name not in before]):
            await report(line)
        return units

    async def scale(self, spec: ReleaseSpec, report: Report) -> list[Unit]:
        await self._releases.keep_only(spec)
        return await self._start(spec, report)

    async def _image(self, spec: ReleaseSpec) -> template.Image:
        reference = self._images.reference(spec.service_id, spec.build_id)
        image = await self._swarm.call(lambda client: imagefacts.examine(client, self._instance, reference))
        if self._shared.available:
            return replace(image, id=await self._shared.publish_release(reference))
        hosts = await self._swarm.hosts()
        return replace(image, node=hosts.own) if len(hosts.by_node) > 1 else image

    async def wait_healthy(self, spec: CheckSpec, report: Report, *, timeout: float) -> Unit:
        latest: dict[str, Seen] = {}

        async def inspect(unit: Unit) -> Unit | None:
            seen = await self._releases.see_unit(unit)
            if seen is None:
                return None
            latest[unit.name] = seen
            return seen.unit

        async def listened(unit: Unit) -> list[str]:
            seen = latest.get(unit.name)
            return namespaces.elsewhere(seen.listeners if seen else None)

        def last_exit(unit: Unit) -> Reason | None:
            seen = latest.get(unit.name)
            return seen.before if seen else None

        looks = health.Looks(
            units=lambda: self._units_of(spec.deployment_id),
            inspect=inspect,
            last_lines=lambda unit: self._logs.tail(unit, LAST_LINES),
            listened=listened,
            last_exit=last_exit,
            run=lambda unit, command, limit: inside.run(self._daemon, self._instance, unit, command, limit),
            inner_port=spec.port or template.PORT,
        )
        try:
            return await health.wait_healthy(spec, report, looks, timeout=timeout)
        except EngineError as error:
            raise readonly.explained(error) from None

    async def run_task(self, spec: TaskSpec, report: Report) -> TaskResult:
        begun = await self._tasks.begun(spec.task_id)
        return await self._tasks.run(spec, None if begun else await self._image(spec.release), report)

    async def stop_task(self, task_id: str) -> None:
        await self._tasks.stop(task_id)

    async def tasks(self) -> set[str]:
        return await self._tasks.all()

    async def inspect(self, deployment_id: str) -> Unit | None:
        units = await self._units_of(deployment_id)
        return units[0] if units else None

    async def _units_of(self, deployment_id: str) -> list[Unit]:
        return [seen.unit for seen in await self._releases.see(deployment_id)]

    async def release_units(self, deployment_id: str) -> list[Unit]:
        return [seen.told() for seen in await self._releases.see(deployment_id)]

    async def units(self) -> list[Unit]:
        return [seen.told() for seen in await self._releases.all()]

    async def restart(self, deployment_id: str) -> Unit:
        if not await self._releases.see(deployment_id):
            message = "This release was never started; deploy again."
            raise EngineError("release_missing", message, detail="never_started")
        if (parked := await self._releases.parked(deployment_id)) is not None:
            await self._volumes.attach_all(parked.volumes)
            return (await self._releases.start(parked, await self._image(parked)))[0]
        await self._releases.halt(deployment_id)
        await self._volumes.attach_of(deployment_id)
        return (await self._releases.revive(deployment_id))[0]

    async def stop(self, deployment_id: str) -> None:
        await self._releases.halt(deployment_id)

    async def rest(self) -> int:
        units = [seen.unit for seen in await self._releases.all()]
        releases: dict[str, list[Unit]] = {}
        for unit in units:
            releases.setdefault(unit.deployment_id, []).append(unit)
        await asyncio.gather(*(self._releases.park(release) for release in releases.values()))
        await asyncio.gather(*(self.stop_task(task_id) for task_id in await self.tasks()))
        await self._releases.drop_unused()
        return sum(unit.state in ALIVE for unit in units)

    async def remove(self, deployment_id: str) -> None:
        at = self._layout.deployment(deployment_id)
        await asyncio.to_thread(self._fetcher.end_leftovers, at.id)
        await self._releases.remove(at.id)
        await self._shared.forget(at.id)
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
        await self._volumes.attach_lost()
        await self._releases.revive_crashed()

    async def collect_logs(self) -> None:
        await self._logs.collect_all()
        await self._remote_logs.collect()

    async def ensure_volume(self, spec: VolumeSpec) -> Volume:
        return await self._volumes.ensure(spec)

    async def remove_volume(self, volume_id: str) -> None:
        await self._volumes.remove(volume_id)

    async def volume_usage(self, volume_ids: Sequence[str]) -> dict[str, VolumeUsage]:
        return await self._volumes.usage(volume_ids)

    def export_volume(self, volume_id: str) -> AsyncIterator[bytes]:
        return self._volumes.export(volume_id)

    async def import_volume(self, volume_id: str, stream: AsyncIterator[bytes]) -> None:
        await self._volumes.put(volume_id, stream)

    async def read_log(self, service_id: str, *, after: str | None, limit: int) -> LogPage:
        await self._remote_logs.collect(service=service_id)
        return await self._logs.read(service_id, after, limit)

    async def search_log(
        self,
        service_id: str,
        matches: Callable[[str], bool],
        *,
        unit: str | None,
        before: str | None,
        limit: int,
    ) -> LogFound:
        look = partial(logsearch.search, matches=matches, unit=unit, before=before, limit=limit)
        return await self._logs.of_files(service_id, look)

    async def stats(self) -> list[UnitStats]:
        return await self._insight.stats()

    async def exits(self) -> list[UnitExit]:
        return await self._insight.exits()

    async def terminal(
        self, deployment_id: str, process: str, replica: int, *, columns: int, rows: int
    ) -> Terminal:
        return await self._insight.terminal(deployment_id, process, replica, columns=columns, rows=rows)

    async def nodes(self) -> Nodes:
        return await self._nodes.all()

    async def set_availability(self, node_id: str, availability: Availability) -> None:
        await self._nodes.set_availability(node_id, availability)

    async def set_node_labels(self, node_id: str, labels: Mapping[str, str]) -> None:
        await self._nodes.set_labels(node_id, labels)

    async def remove_node(self, node_id: str) -> None:
        await self._nodes.remove(node_id)

    async def join_order(self, *, rotate: bool) -> JoinOrder:
        return await self._nodes.join_order(rotate=rotate)
