"""What releases print, brought from Docker into files before Docker forgets it.

Docker deletes a container's output with the container. So it is collected when somebody reads, each
round of the reconciler, and to the very end when a release is halted.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from docker import APIClient
from docker.errors import DockerException
from docker.errors import NotFound as Missing
from docker.types.daemon import CancellableStream
from loguru import logger

from backend.engines import unitlog
from backend.engines.base import EngineError, LogPage, Unit
from backend.engines.docker import names, spool
from backend.engines.docker.client import AWAY, Daemon
from backend.engines.docker.states import moment
from backend.engines.layout import Layout, held
from backend.engines.scale import unit_name

Container = dict[str, Any]
Whose = tuple[str, str]
"""Deployment and name of a unit."""

Answer = TypeVar("Answer")

FOLLOWED_BYTES = 8 * 2**20
"""Of what a release prints while it ends; the oldest give way."""
CLOSES_WITHIN = 5.0
"""Seconds from the end of a container to the end of its output."""


class Logs:
    def __init__(self, layout: Layout, daemon: Daemon, instance: str) -> None:
        self._layout, self._daemon, self._instance = layout, daemon, instance

    async def collect(self, **ids: str) -> None:
        """Keep what containers printed meanwhile; of all, or of a `service` or `deployment`."""
        for service_id, releases in (await self._printing(**ids)).items():
            await self._daemon.call(partial(self._collect, service_id, releases))

    async def collect_all(self) -> None:
        """The same of all, whatever goes wrong with one service or another."""
        try:
            found = await self._printing()
        except EngineError as error:
            logger.debug("no logs are collected now: {}", error.message)
            return
        for service_id, releases in found.items():
            try:
                await self._daemon.call(partial(self._collect, service_id, releases))
            except Exception as error:
                logger.opt(exception=error).warning("the logs of service {} are not collected", service_id)
                if isinstance(error, EngineError) and error.parameters.get("detail") == AWAY:
                    return

    async def _printing(self, **ids: str) -> dict[str, dict[Whose, list[Container]]]:
        """The containers of releases, by service, and by deployment and unit."""
        mine = names.mine(self._instance, **ids)
        found: dict[str, dict[Whose, list[Container]]] = {}
        for container in await self._daemon.call(lambda client: client.containers(all=True, filters=mine)):
            if (whose := names.release_of(self._instance, container)) is not None:
                service_id, deployment_id, process, replica = whose
                name = (deployment_id, unit_name(process, replica))
                found.setdefault(service_id, {}).setdefault(name, []).append(container)
        return found

    def _collect(self, service_id: str, units: dict[Whose, list[Container]], client: APIClient) -> None:
        with self._held(service_id):
            for whose, lives in units.items():
                with spool.Spool(self._layout.service_logs(service_id), *whose) as kept:
                    for container in sorted(lives, key=lambda life: int(life["Created"])):
                        if container["State"] != "created" and not kept.is_over(container["Id"]):
                            _append(client, kept, container)

    async def read(self, service_id: str, after: str | None, limit: int) -> LogPage:
        return await self.of_files(service_id, partial(unitlog.read, after=after, limit=limit))

    async def of_files(self, service_id: str, look: Callable[[Path], Answer]) -> Answer:
        """What `look` makes of the folder of a service's files, once they have what was printed meanwhile."""
        try:
            await self.collect(service=service_id)
        except (EngineError, OSError) as error:
            logger.debug("what was collected before is shown: {}", error)

        def answer() -> Answer:
            folder = self._layout.service_logs(service_id)
            # What is being appended does not count yet.
            with self._held(service_id) if folder.exists() else contextlib.nullcontext():
                return look(folder)

        return await asyncio.to_thread(answer)

    async def tail(self, unit: Unit, count: int) -> list[str]:
        await self.collect(deployment=unit.deployment_id)
        folder = self._layout.service_logs(unit.service_id)
        return await asyncio.to_thread(unitlog.tail, folder, unit.deployment_id, count, unit.name)

    async def prune(self, service_id: str, keep: set[str]) -> None:
        """Delete the oldest releases' output beyond the limits; `keep` are deployments that still exist."""

        def prune() -> None:
            with self._held(service_id):
                spool.prune(self._layout.service_logs(service_id), keep)

        await asyncio.to_thread(prune)

    def _held(self, service_id: str) -> contextlib.AbstractContextManager[None]:
        folder = self._layout.service_logs(service_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return held(folder / ".lock")

    @contextlib.asynccontextmanager
    async def last_words(
        self, deployment_id: str, units: Collection[str] | None = None
    ) -> AsyncIterator[None]:
        """Around what ends a release, or those of its units: keeps all that it prints, though its containers
        are soon deleted.
        """
        await self.collect(deployment=deployment_id)
        mine = names.mine(self._instance, deployment=deployment_id)
        running = await self._daemon.call(lambda client: client.containers(filters=mine))
        followers = [
            _Follower(self._daemon, container, whose[0], (whose[1], name))
            for container in running
            if (whose := names.release_of(self._instance, container)) is not None
            and (name := unit_name(*whose[2:]))
            and (units is None or name in units)
        ]
        try:
            for follower in followers:
                await asyncio.to_thread(follower.begun.wait, CLOSES_WITHIN)
            yield
            for follower in followers:
                await asyncio.to_thread(follower.ended.wait, CLOSES_WITHIN)
                await asyncio.to_thread(self._keep, follower)
        finally:
            for follower in followers:
                follower.close()

    def _keep(self, follower: _Follower) -> None:
        with (
            self._held(follower.service_id),
            spool.Spool(self._layout.service_logs(follower.service_id), *follower.whose) as kept,
        ):
            kept.append(follower.container["Id"], list(follower.frames), over=follower.ended.is_set())


class _Follower:
    """Reads a container's output until it ends, in a thread that waits for nobody."""

    def __init__(self, daemon: Daemon, container: Container, service_id: str, whose: Whose) -> None:
        self.container, self.service_id, self.whose = container, service_id, whose
        self.frames: deque[bytes] = deque()
        self.begun, self.ended = threading.Event(), threading.Event()
        self._daemon = daemon
        self._stream: CancellableStream | None = None
        threading.Thread(target=self._run, name="docker-follow", daemon=True).start()

    def _run(self) -> None:
        try:
            with contextlib.closing(self._daemon.connect()) as client:
                self._stream = client.logs(self.container["Id"], stream=True, follow=True, timestamps=True)
                self.begun.set()
                size = 0
                for frame in self._stream:
                    self.frames.append(frame)
                    size += len(frame)
                    while size > FOLLOWED_BYTES:
                        size -= len(self.frames.popleft())
                self.ended.set()
        except (DockerException, OSError, ValueError) as error:
            logger.debug("the last lines of {} may be lost: {}", self.container["Id"], error)
        finally:
            self.begun.set()

    def close(self) -> None:
        if self._stream is not None and not self.ended.is_set():
            with contextlib.suppress(OSError, DockerException):
                self._stream.close()


def _append(client: APIClient, kept: spool.Spool, container: Container) -> None:
    position = kept.position(container["Id"])
    since = moment(position).timestamp() if position else None
    try:
        frames: Iterator[bytes] = client.logs(
            container["Id"], stream=True, follow=False, timestamps=True, since=since
        )
        kept.append(container["Id"], frames, over=container["State"] in ("exited", "dead"))
    except Missing:
        logger.debug("container {} is gone", container["Id"])
