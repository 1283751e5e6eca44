"""Releases as Swarm services: what should be is in the swarm alone, what is comes from its tasks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from docker import APIClient
from docker.errors import APIError
from docker.errors import NotFound as Missing

from backend.engines.base import EngineError, ProcessSpec, Reason, ReleaseSpec, Retry, Unit, UnitState
from backend.engines.docker import (
    mounts,
    names,
    namespaces,
    networks,
    placing,
    revival,
    secrets,
    states,
    template,
)
from backend.engines.docker.client import Conflict
from backend.engines.docker.logs import Logs
from backend.engines.docker.parking import Parking
from backend.engines.docker.settings import DockerEngineSettings
from backend.engines.docker.states import Service, Task
from backend.engines.docker.swap import Swap
from backend.engines.docker.swarm import Swarm
from backend.engines.layout import Layout
from backend.engines.scale import WEB, unit_names

LOCK = "releases"
POLL = 0.05
CHANGE_ATTEMPTS = 10
FEW = 50
"""Services whose tasks are asked for by name; of more, all tasks of the swarm are read at once."""
LEFT_ALONE = (UnitState.STARTING, UnitState.RUNNING, UnitState.EXITED)
"""What is not started once more: it runs, or its restart policy let it end."""
REMEMBERED = 1000
REMOVED_WITHIN = 15
END_WITHIN = template.STOP_GRACE + 30
"""Seconds for a task to end: Swarm waits two before SIGTERM, then the grace, then it cleans up."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A release as it is now; `before` says how its earlier life ended."""

    unit: Unit
    before: Reason | None
    listeners: list[tuple[int, bool]] | None = None
    """What its container listens on; None where nobody can tell."""

    def told(self) -> Unit:
        """The unit; one that does not listen with how it ended before."""
        deaf = self.unit.listening is False
        return replace(self.unit, reason=self.unit.reason or self.before) if deaf else self.unit


class Releases:
    def __init__(
        self, settings: DockerEngineSettings, layout: Layout, swarm: Swarm, logs: Logs, instance: str
    ) -> None:
        self._settings, self._layout, self._swarm = settings, layout, swarm
        self._logs, self._instance = logs, instance
        self._oom: dict[str, bool] = {}
        self._swap = Swap()
        self._parking = Parking(layout, settings.secret)

    # What is ------------------------------------------------------------------------------------

    async def see(self, deployment_id: str) -> list[Seen]:
        """The units of a release, the first of `web` at the beginning."""
        mine = names.mine(self._instance, deployment=deployment_id)
        found = await self._swarm.call(lambda client: self._found(client, mine))
        if not found:
            parked = await asyncio.to_thread(self._parking.of, deployment_id)
            return [Seen(unit, None) for unit in parked]
        return sorted(await self._seen(found), key=lambda seen: _place(seen.unit))

    async def see_unit(self, unit: Unit) -> Seen | None:
        name = names.unit_name(self._instance, unit.deployment_id, unit.process, unit.replica)

        def look(client: APIClient) -> tuple[Service, list[Task]]:
            return client.inspect_service(name), client.tasks(filters={"service": name})

        found = await self._swarm.find(look)
        return None if found is None else (await self._seen([found]))[0]

    async def all(self) -> list[Seen]:
        found = await self._swarm.call(lambda client: self._found(client, names.releases(self._instance)))
        seen = await self._seen(found)
        there = {one.unit.deployment_id for one in seen}
        parked = await asyncio.to_thread(self._parking.units)
        return seen + [Seen(unit, None) for unit in parked if unit.deployment_id not in there]

    def _found(self, client: APIClient, filters: dict[str, list[str]]) -> list[tuple[Service, list[Task]]]:
        by_service: dict[str, list[Task]] = {}
        services = client.services(filters=filters)
        only = {"service": [service["ID"] for service in services]} if len(services) <= FEW else None
        for task in client.tasks(filters=only) if services else ():
            by_service.setdefault(task["ServiceID"], []).append(task)
        return [(service, by_service.get(service["ID"], [])) for service in services]

    async def _seen(self, found: list[tuple[Service, list[Task]]]) -> list[Seen]:
        hosts = await self._swarm.hosts()

        def look(client: APIClient) -> list[Seen]:
            seen = []
            for service, tasks in found:
                lives = states.ordered(tasks)
                host = hosts.of(lives[-1].get("NodeID") if lives else None)
                seen.append(self._look_at(client, service, lives, host))
                if seen[-1].listeners is not None:
                    self._swap.bound(client, states.container_id(lives[-1]), states.memory_of(lives[-1]))
            return seen

        return await self._swarm.call(look)

    def _look_at(self, client: APIClient, service: Service, tasks: list[Task], host: str) -> Seen:
        restarts = self._settings.restarts
        ended = states.last_end(service, tasks, lambda life: self._was_oom(client, life), restarts)
        unit = states.unit_of(service, tasks, host, ended, restarts)
        if unit.pid is None:
            # Docker may take connections already, but nobody is behind them.
            return Seen(replace(unit, listening=False if unit.address else None), ended)
        found = namespaces.listeners(unit.pid, states.container_id(tasks[-1]))
        heard = namespaces.hears(found, states.inner_port_of(service)) if unit.address else None
        return Seen(replace(unit, listening=heard), ended, found)

    def _was_oom(self, client: APIClient, container_id: str) -> bool:
        """Whether a container that ended was killed for its memory; asked once of each."""
        if container_id not in self._oom:
            if len(self._oom) > REMEMBERED:
                self._oom.clear()
            try:
                self._oom[container_id] = client.inspect_container(container_id)["State"]["OOMKilled"]
            except Missing:
                return False
        return self._oom[container_id]

    # What should be -----------------------------------------------------------------------------

    async def start(self, spec: ReleaseSpec, image: template.Image) -> list[Unit]:
        wanted = unit_names(spec.processes)
        tired = [
            seen.unit
            for seen in await self.see(spec.deployment_id)
            if (seen.unit.process, seen.unit.replica) in wanted and seen.unit.state not in LEFT_ALONE
        ]
        if tired:
            await self.halt(spec.deployment_id, tired)
        await asyncio.to_thread(self._parking.remember, spec)
        await self._swarm.change(lambda client: self._create(client, spec, image))
        units = [seen.unit for seen in await self.see(spec.deployment_id)]
        if not units:
            message = "The release was removed while it was being started."
            raise EngineError("release_missing", message, detail="release_removed")
        return units

    def _create(self, client: APIClient, spec: ReleaseSpec, image: template.Image) -> None:
        """Make the services, or give halted ones what the specification says; what runs is left alone."""
        with self._layout.locked(LOCK):
            parked = {(unit.process, unit.replica): unit for unit in self._parking.of(spec.deployment_id)}
            for process in spec.processes:
                for replica in range(1, process.replicas + 1):
                    self._create_unit(
                        client, spec, process, replica, image, parked.get((process.name, replica))
                    )
            self._parking.leave(spec.deployment_id)
            secrets.drop_unused(client, self._instance, deployment=spec.deployment_id)

    def _create_unit(
        self,
        client: APIClient,
        spec: ReleaseSpec,
        process: ProcessSpec,
        replica: int,
        image: template.Image,
        parked: Unit | None,
    ) -> None:
        name = names.unit_name(self._instance, spec.deployment_id, process.name, replica)
        present = placing.inspect(client, name)
        if present is not None and states.replicas(present) > 0:
            return
        visited = process.name == WEB
        wanted = template.service(
            self._instance,
            spec,
            image,
            network=networks.ensure(client, self._instance, spec.project_id),
            secret=secrets.ensure(client, self._instance, spec, self._settings.secret, image),
            port=placing.port(client, self._settings.port_range, present, parked) if visited else 0,
            files=mounts.secret_files(client, self._instance, spec, self._settings.secret),
            process=process,
            replica=replica,
        )
        if present is None:
            client.create_service(**wanted)
        else:
            placing.update(present, wanted, client)
        placing.part_ports(client, self._settings.port_range, name)

    async def keep_only(self, spec: ReleaseSpec) -> None:
        """Halt those units of the release that the specification does not name, and take them away."""
        wanted = unit_names(spec.processes)
        units = [seen.unit for seen in await self.see(spec.deployment_id)]
        superfluous = [unit for unit in units if (unit.process, unit.replica) not in wanted]
        if superfluous:
            await self.halt(spec.deployment_id, superfluous)
            await self._take_away(spec.deployment_id, superfluous)

    async def revive(self, deployment_id: str) -> list[Unit]:
        """Start a halted release as it was."""

        def scale_up(client: APIClient, present: Service) -> dict[str, Any] | None:
            if states.replicas(present):
                return None
            own = states.port_of(present)
            bounds = self._settings.port_range
            return placing.scaled(present, 1, placing.port(client, bounds, present) if own else 0)

        for seen in await self.see(deployment_id):
            await self._change(self._name(seen.unit), scale_up)
        units = [seen.unit for seen in await self.see(deployment_id)]
        if not units:
            message = "This release was removed; deploy again."
            raise EngineError("release_missing", message, detail="release_removed")
        return units

    def _name(self, unit: Unit) -> str:
        return names.unit_name(self._instance, unit.deployment_id, unit.process, unit.replica)

    async def revive_crashed(self) -> None:
        """Try those again that Swarm has given up and whose pause is over; forget the loop of who runs on."""
        releases = names.releases(self._instance)
        for service, tasks in await self._swarm.call(lambda client: self._found(client, releases)):
            wanted = revival.next_trial(service, states.ordered(tasks), self._settings.restarts)
            if wanted is not None:
                # Who changed it meanwhile knows more.
                with contextlib.suppress(Conflict):
                    await self._swarm.change(partial(placing.update, service, wanted))

    async def halt(self, deployment_id: str, units: Sequence[Unit] | None = None) -> None:
        """Let it end, or those `units` of it: SIGTERM, SIGKILL after the grace. Last lines are kept; unknown
        ids are fine.
        """

        def scale_down(_client: APIClient, present: Service) -> dict[str, Any] | None:
            return placing.scaled(present, 0, states.port_of(present)) if states.replicas(present) else None

        only = None if units is None else {unit.name for unit in units}
        if units is None:
            units = [seen.unit for seen in await self.see(deployment_id)]
        async with self._logs.last_words(deployment_id, only):
            await asyncio.gather(*(self._change(self._name(unit), scale_down) for unit in units))
            await asyncio.gather(*(self._ended(self._name(unit)) for unit in units))

    async def _change(self, name: str, alter: Callable[[APIClient, Service], dict[str, Any] | None]) -> None:
        """Update the service with what `alter` makes of it; not at all for None, or if it is not there."""

        def change(client: APIClient) -> None:
            with self._layout.locked(LOCK):
                present = placing.inspect(client, name)
                wanted = None if present is None else alter(client, present)
                if present is not None and wanted is not None:
                    placing.update(present, wanted, client)
                    placing.part_ports(client, self._settings.port_range, name)

        for attempt in range(CHANGE_ATTEMPTS):
            try:
                return await self._swarm.change(change)
            except Conflict:
                # Swarm itself wrote how the last update went.
                if attempt == CHANGE_ATTEMPTS - 1:
                    raise

    async def _ended(self, name: str) -> None:
        """Wait until none of its tasks has a process."""
        deadline = time.monotonic() + END_WITHIN
        while True:
            tasks = await self._swarm.find(lambda client: client.tasks(filters={"service": name})) or []
            left = [task for task in tasks if task["Status"]["State"] in states.COMING | {"running"}]
            if not left or {task.get("NodeID") for task in left} <= (await self._swarm.hosts()).down:
                return
            if time.monotonic() > deadline:
                raise EngineError(
                    "engine_unavailable",
                    "The app does not end; this is tried again by itself.",
                    retry=Retry.BACKOFF,
                    detail="does_not_end",
                )
            await asyncio.sleep(POLL)

    async def parked(self, deployment_id: str) -> ReleaseSpec | None:
        """What a release is to be started with that was put away; None of any other."""
        return await asyncio.to_thread(self._parking.recall, deployment_id)

    async def park(self, units: Sequence[Unit]) -> None:
        """Halt a release, all of whose units they are, and put it away, so that `start` with what `parked`
        says brings it back as it was.
        """
        deployment_id = units[0].deployment_id
        await self.halt(deployment_id)
        if await asyncio.to_thread(self._parking.park, units):
            await self._take_away(deployment_id, units)

    async def remove(self, deployment_id: str) -> None:
        """Take the release from the swarm with all that was made for it, except its image and logs."""
        units = [seen.unit for seen in await self.see(deployment_id)]
        await self.halt(deployment_id, units)
        await self._take_away(deployment_id, units)
        await asyncio.to_thread(self._parking.leave, deployment_id)

    async def _take_away(self, deployment_id: str, units: Sequence[Unit]) -> None:
        going = {(unit.process, unit.replica) for unit in units}
        mine = names.mine(self._instance, deployment=deployment_id)

        def forget(client: APIClient) -> None:
            with self._layout.locked(LOCK):
                for unit in units:
                    with contextlib.suppress(Missing):
                        client.remove_service(self._name(unit))

        def left(client: APIClient) -> list[dict[str, Any]]:
            found = client.containers(all=True, filters=mine)
            return [one for one in found if names.unit_of(one["Labels"] or {}) in going]

        def clear(client: APIClient) -> None:
            for container in left(client):
                # Swarm's own cleaning may be faster, or at it.
                with contextlib.suppress(APIError):
                    client.remove_container(container["Id"], force=True, v=True)

        await self._swarm.change(forget)
        await self._swarm.call(clear)
        deadline = time.monotonic() + REMOVED_WITHIN
        while await self._swarm.call(left):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(POLL)
        await self.drop_unused()

    async def drop_unused(self) -> None:
        """Remove networks and secrets that no release has."""

        def drop(client: APIClient) -> None:
            with self._layout.locked(LOCK):
                secrets.drop_unused(client, self._instance)
                networks.drop_unused(client, self._instance)

        await self._swarm.change(drop)


def _place(unit: Unit) -> tuple[bool, str, int]:
    return unit.process != WEB, unit.process, unit.replica
