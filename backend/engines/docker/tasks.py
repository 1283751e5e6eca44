"""Tasks as Swarm services that are never restarted: docs/decisions/0033-tasks.md says why not as containers.

That a task was begun is noted in the engine's home too, so that one whose service somebody removed past us
is not taken for one that never ran.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shlex
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import APIError
from docker.errors import NotFound as Missing
from docker.types import SecretReference

from backend.engines.base import ReleaseSpec, Report
from backend.engines.docker import mounts, names, networks, states, template
from backend.engines.docker.client import Conflict, NotFound
from backend.engines.docker.entry import container_script
from backend.engines.docker.releases import LOCK
from backend.engines.docker.states import Service, Task
from backend.engines.docker.swap import Swap
from backend.engines.docker.swarm import Swarm
from backend.engines.errors import EngineError, Parameters, Reason
from backend.engines.layout import Layout, checked
from backend.engines.sealed import write_atomically
from backend.engines.tasks import LOST, POLL, Output, TaskResult, TaskSpec, ended, timed_out

BEGUN_KEPT = 2 * 86400
"""Seconds for which a task that is over is remembered as one that ran."""
GONE_WITHIN = 30
OVERLAP = 2.0
"""Seconds that are read again with each look: lines of two streams are not quite in order."""
_STOPPED = Reason("task_failed", "It was stopped from outside.", {"detail": "task_stopped"})


class Tasks:
    def __init__(self, layout: Layout, swarm: Swarm, instance: str, key: bytes) -> None:
        self._layout, self._swarm, self._instance, self._key = layout, swarm, instance, key
        self._swap = Swap()

    async def run(self, spec: TaskSpec, image: template.Image | None, report: Report) -> TaskResult:
        """`image` may only be None for a task that has begun."""
        there = await self._swarm.change(lambda client: self._create(client, spec, image))
        return await self._watch(spec, report) if there else TaskResult(None, LOST)

    async def begun(self, task_id: str) -> bool:
        return await asyncio.to_thread(self._note(task_id).exists)

    def _note(self, task_id: str) -> Path:
        return self._layout.home / "tasks" / checked(task_id)

    def _create(self, client: APIClient, spec: TaskSpec, image: template.Image | None) -> bool:
        """Whether there is a service, of now or of before."""
        name = names.task_name(self._instance, spec.task_id)
        note = self._note(spec.task_id)
        with self._layout.locked(LOCK):
            if _inspect(client, name) is not None:
                return True
            if note.exists() or image is None:
                return False
            network = networks.ensure(client, self._instance, spec.release.project_id)
            secret = self._secret(client, name, spec, image)
            labels = names.labels(self._instance, task=spec.task_id)
            prefix = names.task_file_name(self._instance, spec.task_id)
            files = mounts.files_as(client, spec.release, self._key, prefix, labels)
            client.create_service(
                **service(self._instance, spec, image, network=network, secret=secret, files=files)
            )
            note.parent.mkdir(mode=0o700, exist_ok=True)
            write_atomically(note, b"")
        return True

    def _secret(
        self, client: APIClient, name: str, spec: TaskSpec, image: template.Image
    ) -> tuple[str, str] | None:
        script = template.script_of_environment(spec.release)
        if not script or not image.has_shell:
            return None
        for secret in client.secrets(filters={"name": name}):
            if secret["Spec"]["Name"] == name:
                return secret["ID"], name
        labels = names.labels(self._instance, task=spec.task_id)
        return client.create_secret(name, script, labels=labels)["ID"], name

    async def _watch(self, spec: TaskSpec, report: Report) -> TaskResult:
        name = names.task_name(self._instance, spec.task_id)
        output = Output(report, spec.seen_lines)
        log = _Log(output)
        for look in itertools.count():
            found = await self._swarm.find(
                lambda client: (client.inspect_service(name), client.tasks(filters={"service": name}))
            )
            if found is None:
                return TaskResult(None, LOST)
            life = _life(found[1])
            container = states.container_id(life) if life else ""
            over = life is not None and life["Status"]["State"] not in states.COMING | {"running"}
            if container:
                # Many are over before the second look.
                if not over and look and life is not None:
                    memory = states.memory_of(life)
                    await self._swarm.call(partial(self._bound, container, memory))
                await log.read(self._swarm, container)
            if over and life is not None:
                await output.end()
                return await self._result(spec.release, life, container)
            if _age(found[0]) > spec.timeout:
                await self._end(name)
                await log.read(self._swarm, container)
                await output.end()
                return timed_out(spec.timeout)
            await asyncio.sleep(POLL)
        raise AssertionError

    def _bound(self, container: str, memory: int, client: APIClient) -> None:
        self._swap.bound(client, container, memory)

    async def _result(self, release: ReleaseSpec, life: Task, container: str) -> TaskResult:
        status = life["Status"]
        error = str(status.get("Err", ""))
        if "No such image" in error:
            raise EngineError("release_missing", states.IMAGE_GONE.message)
        if status["State"] == "rejected" or error.startswith("starting container failed"):
            why = error[:300] or status["State"]
            words = f"It was not started: {why}."
            return TaskResult(None, Reason("task_failed", words, {"detail": "not_started", "why": why}))
        if status["State"] in ("shutdown", "remove"):
            return TaskResult(None, _STOPPED)
        if status["State"] == "orphaned":
            return TaskResult(None, LOST)
        result = ended(int((status.get("ContainerStatus") or {}).get("ExitCode", 0)))
        if result.exit_code and await self._swarm.call(lambda client: _was_oom(client, container)):
            limit = release.limits.memory_bytes
            words = f"It used more memory than the {limit >> 20} MiB of its plan and was killed."
            parameters: Parameters = {
                "because": "out_of_memory",
                "limit_bytes": limit,
                "exit_status": result.exit_code,
            }
            return TaskResult(result.exit_code, Reason("task_failed", words, parameters))
        return result

    async def _end(self, name: str) -> None:
        """SIGTERM and SIGKILL after the grace, without deleting the container: its last words are wanted."""

        def stop(client: APIClient) -> None:
            if _inspect(client, name) is None:
                return
            for task in client.tasks(filters={"service": name}):
                if container := states.container_id(task):
                    with contextlib.suppress(APIError):
                        client.stop(container, timeout=template.STOP_GRACE)

        await self._swarm.call(stop)

    async def stop(self, task_id: str) -> None:
        name = names.task_name(self._instance, task_id)
        mine = names.mine(self._instance, task=task_id)

        def forget(client: APIClient) -> None:
            with self._layout.locked(LOCK), contextlib.suppress(Missing):
                client.remove_service(name)

        def left(client: APIClient) -> bool:
            return bool(client.containers(all=True, quiet=True, filters=mine))

        def clear(client: APIClient) -> None:
            for container in client.containers(all=True, filters=mine):
                with contextlib.suppress(APIError):
                    client.remove_container(container["Id"], force=True, v=True)

        def drop(client: APIClient) -> None:
            with self._layout.locked(LOCK):
                for secret in client.secrets(filters=mine):
                    client.remove_secret(secret["ID"])
                networks.drop_unused(client, self._instance)

        await self._end(name)
        await self._swarm.change(forget)
        await self._swarm.call(clear)
        deadline = time.monotonic() + GONE_WITHIN
        while await self._swarm.call(left):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(POLL)
        await self._swarm.change(drop)
        await asyncio.to_thread(self._forget_old)

    def _forget_old(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            for note in (self._layout.home / "tasks").iterdir():
                if time.time() - note.stat().st_mtime > BEGUN_KEPT:
                    note.unlink(missing_ok=True)

    async def all(self) -> set[str]:
        return await self._swarm.call(self._all)

    def _all(self, client: APIClient) -> set[str]:
        wanted = {"label": [*names.mine(self._instance)["label"], names.TASK_ID]}
        return {service["Spec"]["Labels"][names.TASK_ID] for service in client.services(filters=wanted)}


def service(
    instance: str,
    spec: TaskSpec,
    image: template.Image,
    *,
    network: str,
    secret: tuple[str, str] | None,
    files: Sequence[SecretReference] = (),
) -> dict[str, Any]:
    """The release's service with another command: run once, unseen by visitors and neighbours."""
    release = spec.release
    made = template.service(instance, release, image, network=network, secret=secret, port=0, files=files)
    labels = names.labels(instance, task=spec.task_id, service=release.service_id, project=release.project_id)
    task = made["task_template"]
    task["ContainerSpec"] |= {"Labels": labels, "Command": _command(spec, image, secret is not None)}
    task |= {"RestartPolicy": {"Condition": "none"}, "Networks": [{"Target": network}]}
    name = names.task_name(instance, spec.task_id)
    return {**made, "name": name, "labels": labels, "endpoint_spec": {"Mode": "dnsrr"}}


def _command(spec: TaskSpec, image: template.Image, secret: bool) -> list[str]:
    if not image.has_shell:
        return shlex.split(spec.command)
    opened = f". {template.ENVIRONMENT}\n" if secret else ""
    return ["/bin/sh", "-c", opened + container_script(spec.command)]


class _Log:
    """What the container printed since the last look."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._until = ""
        self._seen: set[bytes] = set()

    async def read(self, swarm: Swarm, container: str) -> None:
        if self._output.full or not container:
            return
        since = states.moment(self._until).timestamp() - OVERLAP if self._until else 0
        printed = b""
        # It may be removed at this very moment, and has said all then.
        with contextlib.suppress(NotFound, Conflict):
            printed = await swarm.call(
                lambda client: client.logs(
                    container, stdout=True, stderr=True, timestamps=True, since=since if since else None
                )
            )
        lines = printed.splitlines(keepends=True)
        for line in lines:
            if line not in self._seen:
                self._until = max(self._until, line.partition(b" ")[0].decode())
                await self._output.feed(line.partition(b" ")[2])
        self._seen = set(lines)


def _life(tasks: list[Task]) -> Task | None:
    return min(tasks, key=lambda task: states.moment(task["CreatedAt"]), default=None)


def _age(found: Service) -> float:
    return time.time() - states.moment(found["CreatedAt"]).timestamp()


def _inspect(client: APIClient, name: str) -> Service | None:
    try:
        found: Service = client.inspect_service(name)
    except Missing:
        return None
    return found


def _was_oom(client: APIClient, container: str) -> bool:
    try:
        return bool(client.inspect_container(container)["State"]["OOMKilled"])
    except (Missing, APIError):
        return False
