"""Images of customers' apps: built from fetched sources by the daemon itself, and removed again."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import hashlib
import io
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

from docker import APIClient
from loguru import logger

from backend.engines import detect, sandbox
from backend.engines.base import BuildOptions, BuildSpec, Built, EngineError, Report
from backend.engines.docker import (
    bases,
    buildnet,
    buildsecrets,
    cgroup,
    context,
    dockerfile,
    loading,
    names,
    ownfile,
)
from backend.engines.docker.building import Building, Order, remove_by_force
from backend.engines.docker.client import Conflict, Daemon, NotFound
from backend.engines.docker.pulled import PulledImages
from backend.engines.docker.pulling import Pulling, familiar
from backend.engines.docker.settings import DockerEngineSettings
from backend.engines.docker.space import Space
from backend.engines.fetching import ImageBounds
from backend.engines.layout import Deployment, Layout, checked, read_json, remove_tree
from backend.engines.sealed import write_atomically
from backend.engines.text import human_size
from backend.engines.watch import TooLarge

KIND = "dockerfile"
MEMORY = 1 << 30
"""Bytes at least: compilers and bundlers need more than a small plan's app."""
CPU_MILLIS = 2000
"""At least; a build is a matter of minutes."""
CACHE_HOURS = 72
"""For so long layers that belong to no image are kept for the next build."""
TRUSTED = "/usr/local/share/gavan-ca.pem"
"""Where builds find the operator's certificates."""
UNNAMED = "<none>:<none>"
SWARM_TASK = "com.docker.swarm.task"
"""The label of containers that the swarm minds, which are releases."""
REMOVAL_TRIES = 20


@dataclass(frozen=True, slots=True)
class _Prepared:
    kind: str
    command: str
    words: str
    file: ownfile.OwnFile
    folder: str
    """Of the context, where the repository goes."""
    extra: dict[str, bytes] = field(default_factory=dict)
    processes: Mapping[str, str] = field(default_factory=dict)


class Images:
    def __init__(self, settings: DockerEngineSettings, layout: Layout, daemon: Daemon, instance: str) -> None:
        self._settings, self._layout, self._daemon, self._instance = settings, layout, daemon, instance
        self._cgroups = f"gavan-build-{instance}-"
        self._architecture = ""
        self._space = Space(daemon, settings.build_reserve_bytes)
        self._pulling = Pulling(
            daemon,
            PulledImages(layout),
            settings.registries,
            frozenset(familiar(image) for image in astuple(settings.images)),
            self._space.check,
        )

    def reference(self, service_id: str, deployment_id: str) -> str:
        return names.image_reference(service_id, deployment_id)

    # Build ------------------------------------------------------------------------------------------

    async def build(self, spec: BuildSpec, report: Report) -> Built:
        """The image of the fetched source; of several calls at once one builds, the others wait for it."""
        at = self._layout.deployment(spec.deployment_id)
        async with _alone(at):
            if (done := await self.finished(spec)) is not None:
                return done
            began = time.monotonic()
            deadline = asyncio.timeout(self._settings.build_timeout)
            try:
                async with deadline:
                    built = await self._build(at, spec, report)
            except TimeoutError:
                if not deadline.expired():
                    raise
                seconds = round(self._settings.build_timeout)
                message = f"The build did not end within {seconds} seconds and was stopped."
                raise EngineError("build_timeout", message, seconds=seconds) from None
            await report(f"Built in {time.monotonic() - began:.1f} s, {human_size(built.size_bytes)}")
            if built.command:
                await report(f"Start command: {built.command}")
            return built

    async def architecture(self) -> str:
        """As registries say it, of the nodes: `amd64`, `arm64`, …"""
        if not self._architecture:
            version: dict[str, Any] = await self._daemon.call(lambda client: client.version(False))
            self._architecture = str(version["Arch"])
        return self._architecture

    async def bounds(self, deployment_id: str, project_id: str) -> ImageBounds:
        """Of images that are a service's source."""
        settings = self._settings
        architecture = await self.architecture()
        folder = self._layout.deployment(deployment_id).folder
        held = await self._daemon.call(
            lambda client: loading.held(client, self._instance, project_id, folder)
        )
        return ImageBounds(
            architecture, settings.build_timeout, settings.image_max_bytes, settings.build_reserve_bytes, held
        )

    async def with_python(self) -> str:
        """The id of an image in which `python3` runs, fetched if it is not there."""
        image = self._settings.images.static

        async def silent(_line: str) -> None: ...

        await self._pulling.ensure(image, silent)
        facts: dict[str, Any] = await self._daemon.call(lambda client: client.inspect_image(image))
        return str(facts["Id"])

    async def finished(self, spec: BuildSpec) -> Built | None:
        """The facts of a complete build whose image is there."""
        facts = read_json(self._layout.deployment(spec.deployment_id).built)
        reference = self.reference(spec.service_id, spec.deployment_id)
        if facts is None or await self._daemon.find(lambda client: client.inspect_image(reference)) is None:
            return None
        if facts["kind"] == loading.KIND:
            return Built(loading.KIND, "", facts["size_bytes"], port=facts["port"])
        return Built(facts["kind"], facts["command"], facts["size_bytes"], facts.get("processes", {}))

    async def _build(self, at: Deployment, spec: BuildSpec, report: Report) -> Built:
        if loading.is_image(at.source):
            return await self._load(at, spec)
        prepared = await asyncio.to_thread(self._prepare, at, spec.options)
        for name in sorted(spec.options.arguments.keys() - prepared.file.arguments):
            await report(f"The build argument {name} is not used: the Dockerfile has no ARG of this name")
        await report(f"Recognised: {prepared.words}")
        for path in prepared.file.volumes:
            await report(f"VOLUME {path}: is kept in memory, and empty when the service starts anew")
        for path in prepared.file.dropped:
            await report(f"VOLUME {path!r} is left out")
        for secret in buildsecrets.missing(prepared.file.asking.values(), spec.secrets):
            await report(f"The secret {secret} is not there: no variable has its name")
        await self._space.find()
        await asyncio.to_thread(self._space.check)
        for image in prepared.file.images:
            await self._pulling.ensure(image, report, spec.project_id, spec.logins)
        try:
            identity = await self._run(at, spec, prepared, report)
            size = await self._checked_size(identity, spec)
        except TooLarge:
            raise self._too_large(spec) from None
        except EngineError as error:
            if dockerfile.FIND_SITE.startswith(str(error.parameters.get("step") or KIND)):
                raise detect.nothing_built() from None
            raise
        reference = self.reference(spec.service_id, spec.deployment_id)
        repository, _, tag = reference.rpartition(":")
        await self._daemon.call(lambda client: client.tag(identity, repository, tag))
        facts = {
            "kind": prepared.kind,
            "command": prepared.command,
            "size_bytes": size,
            "processes": prepared.processes,
        }
        await asyncio.to_thread(write_atomically, at.built, json.dumps(facts).encode())
        # A second call returns the facts above; the source is not needed again.
        with contextlib.suppress(OSError):
            await asyncio.to_thread(remove_tree, at.source)
        return Built(prepared.kind, prepared.command, size, prepared.processes)

    async def _load(self, at: Deployment, spec: BuildSpec) -> Built:
        """Of an image there is nothing to build."""
        await self._space.find()
        await asyncio.to_thread(self._space.check)
        labels = names.labels(
            self._instance,
            service=spec.service_id,
            deployment=spec.deployment_id,
            project=checked(spec.project_id),
        )
        reference = self.reference(spec.service_id, spec.deployment_id)
        facts = {"kind": loading.KIND, **await loading.load(self._daemon, at.source, reference, labels)}
        await asyncio.to_thread(write_atomically, at.built, json.dumps(facts).encode())
        with contextlib.suppress(OSError):
            await asyncio.to_thread(remove_tree, at.source)
        return Built(loading.KIND, "", facts["size_bytes"], port=facts["port"])

    def _prepare(self, at: Deployment, options: BuildOptions) -> _Prepared:
        if not at.source.is_dir():
            message = "The fetched source is gone; deploy again to fetch it anew."
            raise EngineError("build_failed", message, detail="source_gone")
        text = ownfile.find(at.source, options.dockerfile)
        if text is not None:
            own = ownfile.read(text, options.arguments, options.target)
            words = f"a Dockerfile, {options.dockerfile}" if options.dockerfile else "a Dockerfile"
            return _Prepared(KIND, "", words, own, "", processes=detect.other_processes(at.source))
        plan = detect.detect(at.source)
        recipe = dockerfile.generate(at.source, plan, self._settings.images)
        extra = {dockerfile.SERVER: sandbox.STATIC_SERVER.read_bytes()} if plan.kind == "static" else {}
        own = ownfile.read(recipe.text)
        folder, words = dockerfile.SOURCES, detect.words(plan)
        return _Prepared(plan.kind, recipe.command, words, own, folder, extra, plan.processes)

    async def _run(self, at: Deployment, spec: BuildSpec, prepared: _Prepared, report: Report) -> str:
        marks = names.labels(self._instance, project=checked(spec.project_id))
        ids = names.labels(self._instance, service=spec.service_id, deployment=spec.deployment_id)
        # Labels come first in every stage: they make the layer cache one of the project, and tell
        # whose the layers and containers are that an interrupted build leaves.
        mine, ours = (
            "LABEL " + " ".join(f"{name}={value}" for name, value in of.items())
            for of in (marks, names.labels(self._instance))
        )
        certificates = await self._certificates()
        own = prepared.kind == KIND
        text = prepared.file.text(mine, certificates, last=own, shared=None if own else ours)
        # Of a generated file its author wants to see only what runs.
        hidden = [mine, *certificates] if own else [line for line in text.split("\n") if line[:4] != "RUN "]
        with (
            tempfile.TemporaryFile(dir=at.folder) as file,
            await self._cgroup(f"{self._cgroups}{at.id}") as parent,
        ):
            left_out = await asyncio.to_thread(
                context.write, file, at.source, text, folder=prepared.folder, extra=prepared.extra
            )
            for path in left_out[:20]:
                await report(f"Left out: {path!r} is a link that leads out of the repository")
            async with buildnet.network(self._daemon, self._instance, at.id) as network:
                order = Order(
                    context=file,
                    labels=ids,
                    marks=marks,
                    arguments=bases.build_arguments(prepared.file.arguments) | _declared(spec, prepared.file),
                    asking=prepared.file.asking,
                    secrets=spec.secrets,
                    hidden=frozenset(hidden),
                    memory_bytes=max(spec.limits.memory_bytes, MEMORY),
                    cpu_millis=max(spec.limits.cpu_millis, CPU_MILLIS),
                    cgroup=parent,
                    network=network,
                    max_bytes=self._settings.build_max_bytes,
                    check_space=self._space.check,
                )
                return await Building(self._daemon, order, report).run()

    async def _cgroup(self, name: str) -> contextlib.AbstractContextManager[str]:
        """What bounds the number of processes, as well as that can be had here."""
        if self._settings.build_cgroup_parent:
            return contextlib.nullcontext(self._settings.build_cgroup_parent)
        info = await self._daemon.call(lambda client: client.info())
        if not await asyncio.to_thread(cgroup.can_bound, info, self._settings.host):
            return contextlib.nullcontext("")
        return cgroup.bounded(name)

    async def _certificates(self) -> list[str]:
        """How a stage comes to trust the operator's certificates, which are an image of their own."""
        if (bundle := self._settings.ca_bundle) is None:
            return []
        content = await asyncio.to_thread(bundle.read_bytes)
        image = f"gavan-trust:{hashlib.sha256(content).hexdigest()[:16]}"
        if await self._daemon.find(lambda client: client.inspect_image(image)) is None:
            layer = io.BytesIO()
            context.write_files(layer, {"ca.pem": content})
            await self._daemon.call(
                lambda client: client.import_image_from_data(layer.getvalue(), *image.split(":"))
            )
        variables = " ".join(f"{name}={TRUSTED}" for name in bases.CERTIFICATES)
        return [f"COPY --from={image} /ca.pem {TRUSTED}", f"ARG {variables}"]

    async def _checked_size(self, identity: str, spec: BuildSpec) -> int:
        """Bytes of the image without those of the one that it begins from. Raises `TooLarge`."""
        layers: list[dict[str, Any]] = await self._daemon.call(lambda client: client.history(identity))
        mark = f"{names.INSTANCE}={self._instance}"
        own = [at for at, layer in enumerate(layers) if mark in layer["CreatedBy"]]
        size = sum(layer["Size"] for layer in layers[: max(own, default=len(layers)) + 1])
        if size > self._max_bytes(spec):
            await self._daemon.find(lambda client: client.remove_image(identity))
            raise TooLarge
        return int(size)

    def _max_bytes(self, spec: BuildSpec) -> int:
        return min(spec.limits.disk_bytes, self._settings.build_max_bytes)

    def _too_large(self, spec: BuildSpec) -> EngineError:
        limit = self._max_bytes(spec)
        return EngineError(
            "build_too_large",
            f"The build wrote more than the {human_size(limit)} that the plan allows and was stopped.",
            limit_bytes=limit,
        )

    # Remove -----------------------------------------------------------------------------------------

    async def remove(self, deployment_id: str) -> None:
        """The deployment's image, with the layers that no other one has. Unknown ids are fine."""
        await self._remove(deployment=deployment_id)

    async def remove_service(self, service_id: str) -> None:
        await self._remove(service=service_id)

    async def prune(self) -> None:
        """What interrupted builds left, and layers and images that no build has used for long."""
        await self._pulling.forget_unused()
        await asyncio.to_thread(cgroup.remove, f"{self._cgroups}*")
        filters = names.mine(self._instance)
        containers = await self._daemon.call(lambda client: client.containers(all=True, filters=filters))
        longest = 2 * self._settings.build_timeout
        for facts in containers:
            if SWARM_TASK not in facts["Labels"] and facts["Created"] < time.time() - longest:
                logger.info("removing the container {} of an abandoned build", facts["Id"][:12])
                await self._daemon.find(functools.partial(remove_by_force, identity=facts["Id"]))
        await self._daemon.call(lambda client: buildnet.prune(client, self._instance, longest))
        old = {**filters, "dangling": ["true"], "until": [f"{CACHE_HOURS}h"]}
        # The daemon prunes for one at a time; there will be a next one.
        with contextlib.suppress(Conflict):
            await self._daemon.call(lambda client: client.prune_images(old))

    async def _remove(self, **ids: str) -> None:
        filters = names.mine(self._instance, **ids)
        for _ in range(REMOVAL_TRIES):
            found = await self._daemon.call(lambda client: client.images(filters=filters, all=False))
            busy = False
            for facts in found:
                for name in [tag for tag in facts["RepoTags"] or () if tag != UNNAMED] or [facts["Id"]]:
                    try:
                        await self._daemon.call(functools.partial(APIClient.remove_image, image=name))
                    except NotFound:
                        continue
                    except Conflict:
                        busy = True
            if not busy:
                return
            # Docker is still ending a container of it.
            await asyncio.sleep(0.5)
        logger.warning("an image stays, for a container uses it: {}", ids)


def _declared(spec: BuildSpec, file: ownfile.OwnFile) -> dict[str, str]:
    return {name: value for name, value in spec.options.arguments.items() if name in file.arguments}


@contextlib.asynccontextmanager
async def _alone(at: Deployment) -> AsyncIterator[None]:
    """One at a time, across tasks and processes; freed by the kernel when its holder dies."""
    if not at.folder.is_dir():
        yield
        return
    descriptor = os.open(at.folder / "build.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _locked(descriptor):  # noqa: ASYNC110 (the holder may be another process)
            await asyncio.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
