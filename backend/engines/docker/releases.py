"""Releases as Swarm services: what should be is in the swarm alone, what is comes from its tasks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from docker import APIClient
from docker.errors import APIError
from docker.errors import NotFound as Missing

from backend.engines import ports
from backend.engines.base import EngineError, Reason, ReleaseSpec, Retry, Unit, UnitState
from backend.engines.docker import names, namespaces, networks, revival, secrets, states, template
from backend.engines.docker.client import Conflict
from backend.engines.docker.logs import Logs
from backend.engines.docker.parking import Parking
from backend.engines.docker.settings import DockerEngineSettings
from backend.engines.docker.states import Service, Task
from backend.engines.docker.swap import Swap
from backend.engines.docker.swarm import Swarm
from backend.engines.layout import Layout

LOCK = "releases"
POLL = 0.05
CHANGE_ATTEMPTS = PART_ATTEMPTS = 10
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

    async def see(self, deployment_id: str) -> Seen | None:
        name = names.release_name(self._instance, deployment_id)

        def look(client: APIClient) -> tuple[Service, list[Task]]:
            return client.inspect_service(name), client.tasks(filters={"service": name})

        found = await self._swarm.find(look)
        if found is None:
            unit = await asyncio.to_thread(self._parking.unit, deployment_id)
            return Seen(unit, None) if unit else None
        return (await self._seen([found]))[0]

    async def all(self) -> list[Seen]:
        seen = await self._seen(await self._swarm.call(self._found))
        there = {one.unit.deployment_id for one in seen}
        parked = await asyncio.to_thread(self._parking.units)
        return seen + [Seen(unit, None) for unit in parked if unit.deployment_id not in there]

    def _found(self, client: APIClient) -> list[tuple[Service, list[Task]]]:
        by_service: dict[str, list[Task]] = {}
        services = client.services(filters=names.mine(self._instance))
        for task in client.tasks() if services else ():
            by_service.setdefault(task["ServiceID"], []).append(task)
        return [(service, by_service.get(service["ID"], [])) for service in services]

    async def _seen(self, found: list[tuple[Service, list[Task]]]) -> list[Seen]:
        host = await self._swarm.host()

        def look(client: APIClient) -> list[Seen]:
            seen = []
            for service, tasks in found:
                lives = states.ordered(tasks)
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
            return Seen(replace(unit, listening=False), ended)
        found = namespaces.listeners(unit.pid, states.container_id(tasks[-1]))
        return Seen(replace(unit, listening=namespaces.hears(found, template.PORT)), ended, found)

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

    async def start(self, spec: ReleaseSpec, image: template.Image) -> Unit:
        seen = await self.see(spec.deployment_id)
        if seen is not None and seen.unit.state not in (UnitState.STARTING, UnitState.RUNNING):
            await self.halt(spec.deployment_id)
        await asyncio.to_thread(self._parking.remember, spec)
        await self._swarm.change(lambda client: self._create(client, spec, image))
        seen = await self.see(spec.deployment_id)
        if seen is None:
            message = "The release was removed while it was being started."
            raise EngineError("release_missing", message, detail="release_removed")
        return seen.unit

    def _create(self, client: APIClient, spec: ReleaseSpec, image: template.Image) -> None:
        """Make the service, or give a halted one what the specification says; one that runs is left alone."""
        name = names.release_name(self._instance, spec.deployment_id)
        with self._layout.locked(LOCK):
            present = _inspect(client, name)
            if present is not None and states.replicas(present) > 0:
                return
            wanted = template.service(
                self._instance,
                spec,
                image,
                network=networks.ensure(client, self._instance, spec.project_id),
                secret=secrets.ensure(client, self._instance, spec, self._settings.secret, image),
                port=self._port(client, present, self._parking.unit(spec.deployment_id)),
            )
            if present is None:
                client.create_service(**wanted)
            else:
                client.update_service(present["ID"], present["Version"]["Index"], **wanted)
            self._parking.leave(spec.deployment_id)
            self._part_ports(client, name)
            secrets.drop_unused(client, self._instance, deployment=spec.deployment_id)

    def _port(self, client: APIClient, present: Service | None, parked: Unit | None = None) -> int:
        """One that no service of the swarm has, whosever it is, and no program of this machine.

        The release's own, if nobody took it: it has none while it is halted.
        """
        taken = _taken(client, present)
        own = states.port_of(present) if present else int(parked.address.rpartition(":")[2]) if parked else 0
        if own and own not in taken and ports.is_free(own):
            return own
        return ports.choose(self._settings.port_range, taken)

    def _part_ports(self, client: APIClient, name: str) -> None:
        """Give up a port that another installation, which has a lock of its own, chose at the same time.

        Whoever wrote later sees it here; if both do, both choose again.
        """
        for _ in range(PART_ATTEMPTS):
            present = _inspect(client, name)
            if present is None or not states.replicas(present):
                return
            taken = _taken(client, present)
            if states.port_of(present) not in taken:
                return
            wanted = _scaled(present, 1, ports.choose(self._settings.port_range, taken))
            with contextlib.suppress(APIError):
                # Swarm itself may have written in between; then it is looked at anew.
                client.update_service(present["ID"], present["Version"]["Index"], **wanted)

    async def revive(self, deployment_id: str) -> Unit:
        """Start a halted release as it was."""

        def scale_up(client: APIClient, present: Service) -> dict[str, Any] | None:
            return _scaled(present, 1, self._port(client, present)) if not states.replicas(present) else None

        await self._change(deployment_id, scale_up)
        seen = await self.see(deployment_id)
        if seen is None:
            message = "This release was removed; deploy again."
            raise EngineError("release_missing", message, detail="release_removed")
        return seen.unit

    async def revive_crashed(self) -> None:
        """Try those again that Swarm has given up and whose pause is over; forget the loop of who runs on."""
        for service, tasks in await self._swarm.call(self._found):
            wanted = revival.next_trial(service, states.ordered(tasks), self._settings.restarts)
            if wanted is not None:
                # Who changed it meanwhile knows more.
                with contextlib.suppress(Conflict):
                    await self._swarm.change(partial(_update, service, wanted))

    async def halt(self, deployment_id: str) -> None:
        """Let it end: SIGTERM, SIGKILL after the grace. Its last lines are kept; unknown ids are fine."""

        def scale_down(_client: APIClient, present: Service) -> dict[str, Any] | None:
            return _scaled(present, 0, states.port_of(present)) if states.replicas(present) else None

        async with self._logs.last_words(deployment_id):
            await self._change(deployment_id, scale_down)
            await self._ended(deployment_id)

    async def _change(
        self, deployment_id: str, alter: Callable[[APIClient, Service], dict[str, Any] | None]
    ) -> None:
        """Update the service with what `alter` makes of it; not at all for None, or if it is not there."""
        name = names.release_name(self._instance, deployment_id)

        def change(client: APIClient) -> None:
            with self._layout.locked(LOCK):
                present = _inspect(client, name)
                wanted = None if present is None else alter(client, present)
                if present is not None and wanted is not None:
                    client.update_service(present["ID"], present["Version"]["Index"], **wanted)
                    self._part_ports(client, name)

        for attempt in range(CHANGE_ATTEMPTS):
            try:
                return await self._swarm.change(change)
            except Conflict:
                # Swarm itself wrote how the last update went.
                if attempt == CHANGE_ATTEMPTS - 1:
                    raise

    async def _ended(self, deployment_id: str) -> None:
        """Wait until none of its tasks has a process."""
        name = names.release_name(self._instance, deployment_id)
        deadline = time.monotonic() + END_WITHIN
        while True:
            tasks = await self._swarm.find(lambda client: client.tasks(filters={"service": name})) or []
            if all(task["Status"]["State"] not in states.COMING | {"running"} for task in tasks):
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

    async def park(self, unit: Unit) -> None:
        """Halt it and put it away, so that `start` with what `parked` says brings it back as it was."""
        await self.halt(unit.deployment_id)
        if await asyncio.to_thread(self._parking.park, unit):
            await self._take_away(unit.deployment_id)

    async def remove(self, deployment_id: str) -> None:
        """Take the release from the swarm with all that was made for it, except its image and logs."""
        await self.halt(deployment_id)
        await self._take_away(deployment_id)
        await asyncio.to_thread(self._parking.leave, deployment_id)

    async def _take_away(self, deployment_id: str) -> None:
        name = names.release_name(self._instance, deployment_id)
        mine = names.mine(self._instance, deployment=deployment_id)

        def forget(client: APIClient) -> None:
            with self._layout.locked(LOCK), contextlib.suppress(Missing):
                client.remove_service(name)

        def clear(client: APIClient) -> None:
            for container in client.containers(all=True, filters=mine):
                # Swarm's own cleaning may be faster, or at it.
                with contextlib.suppress(APIError):
                    client.remove_container(container["Id"], force=True, v=True)

        await self._swarm.change(forget)
        await self._swarm.call(clear)
        deadline = time.monotonic() + REMOVED_WITHIN
        while await self._swarm.call(lambda client: client.containers(all=True, quiet=True, filters=mine)):
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


def _inspect(client: APIClient, name: str) -> Service | None:
    try:
        found: Service = client.inspect_service(name)
    except Missing:
        return None
    return found


def _update(present: Service, wanted: dict[str, Any], client: APIClient) -> None:
    client.update_service(present["ID"], present["Version"]["Index"], **wanted)


def _taken(client: APIClient, present: Service | None) -> set[int]:
    """The ports of all services but this one."""
    return {
        int(port["PublishedPort"])
        for service in client.services()
        if present is None or service["ID"] != present["ID"]
        for port in service["Spec"].get("EndpointSpec", {}).get("Ports", ())
        if "PublishedPort" in port
    }


def _scaled(present: Service, count: int, port: int) -> dict[str, Any]:
    """The service as it is, with another count of replicas and port."""
    spec = present["Spec"]
    endpoint = spec["EndpointSpec"]
    published = {**endpoint["Ports"][0], "PublishedPort": port}
    return {
        "name": spec["Name"],
        # Whoever starts or stops it has it tried anew.
        "labels": {name: value for name, value in spec["Labels"].items() if name != names.ROUNDS},
        "mode": {"Replicated": {"Replicas": count}},
        "task_template": spec["TaskTemplate"],
        "endpoint_spec": {**endpoint, "Ports": [published]},
    }
