"""Volumes of the `docker` engine: volumes of the local driver on one node, bounded where the kernel can.

A bounded one is two volumes of Docker: the store, a folder with a file in it, and what apps mount, whose
driver mounts the device that the file is attached to (`blockfile.py`). Where that cannot be had, it is a
folder (`docs/decisions/0035-volumes.md`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import APIError
from docker.errors import NotFound as Missing
from docker.types import Mount
from loguru import logger

from backend.engines.base import Caution, EngineError, Retry, Volume, VolumeMount, VolumeSpec, VolumeUsage
from backend.engines.docker import names
from backend.engines.docker.client import Conflict, Daemon
from backend.engines.docker.swarm import Swarm
from backend.engines.docker.transfer import Transfer
from backend.engines.layout import Layout, checked, read_json
from backend.engines.sealed import write_atomically

VOLUMES_UNBOUNDED = Caution(
    "volumes_unbounded",
    "Nothing refuses what apps write beyond the size of their volumes: this Docker's machine has no loop "
    "devices for it, or no mkfs.ext4. How full they are is watched instead.",
)
VOLUME, SIZE, STORE = "gavan.volume", "gavan.size", "gavan.store"
"""Labels: whose data it is, how large it was made, and of the folder behind a bounded one."""
HELPER = "gavan.helper"
"""Of the containers that work on volumes."""
ABANDONED = 86400
"""Seconds after which none of them has anybody who waits for it."""
LOCK = "volumes"
HERE = Path(__file__).parent
WITHIN = 120
"""Seconds for a file system to be made."""
TRIAL, TRIAL_BYTES = "trial", 16 * 2**20
ATTACHED_FOR = 60.0
"""Seconds for which a volume that was attached is believed to be so."""
MEMORY = 256 * 2**20
CAPABILITIES = "unable to apply caps"
MISSING = "volume_missing"
NOT_MOUNTED = "failed to mount local volume"
"""What tasks say whose volume is not attached, as after a reboot."""


class Volumes:
    def __init__(
        self,
        layout: Layout,
        swarm: Swarm,
        daemon: Daemon,
        instance: str,
        image: Callable[[], Awaitable[str]],
    ) -> None:
        """`image` gives one in which `python3` runs."""
        self._layout, self._swarm, self._daemon = layout, swarm, daemon
        self._instance, self._image = instance, image
        self._attached: dict[str, float] = {}
        self._to_grow = ["SYS_RESOURCE"]
        """The capability with which a file system grows while apps have it."""
        self._transfer = Transfer(daemon, self._helper)

    # What is ------------------------------------------------------------------------------------

    async def cautions(self) -> list[Caution]:
        """What the last trial found; nothing is said before there was one."""
        found = await asyncio.to_thread(read_json, self._noted)
        return [VOLUMES_UNBOUNDED] if found is not None and not found["bounded"] else []

    async def examine(self) -> None:
        """Whether volumes can be bounded, found out by making one; once, unless it failed."""
        await self._daemon.call(self._sweep)
        if not await self._noted_bounded():
            await self._try()

    def _sweep(self, client: APIClient) -> None:
        """Helpers whose panel was killed."""
        for container in client.containers(all=True, filters={"label": [f"{HELPER}={self._instance}"]}):
            if container["Created"] < time.time() - ABANDONED:
                with contextlib.suppress(APIError):
                    client.remove_container(container["Id"], force=True, v=True)

    async def usage(self, volume_ids: Sequence[str]) -> dict[str, VolumeUsage]:
        wanted = set(volume_ids)
        found = {
            volume["Labels"][VOLUME]: volume
            for volume in await self._mine()
            if volume["Labels"].get(VOLUME) in wanted and STORE not in volume["Labels"]
        }
        for volume_id in [volume_id for volume_id, volume in found.items() if _is_bounded(volume)]:
            try:
                await self.attach(volume_id)
            except EngineError as error:
                if error.code != MISSING:
                    raise
                del found[volume_id]
        if not found:
            return {}
        order = [[volume_id, _is_bounded(volume)] for volume_id, volume in found.items()]
        mounts = [
            Mount(
                f"/volumes/{checked(volume_id)}", volume["Name"], type="volume", read_only=True, no_copy=True
            )
            for volume_id, volume in found.items()
        ]
        image = await self._image()
        answer = await self._daemon.call(
            lambda client: self._run(client, image, "volumeuse.py", order, mounts=mounts, network_mode="none")
        )
        return {
            volume_id: VolumeUsage(used, size or int(found[volume_id]["Labels"][SIZE]))
            for volume_id, (used, size) in answer.items()
        }

    # What should be -----------------------------------------------------------------------------

    async def ensure(self, spec: VolumeSpec) -> Volume:
        node = (await self._swarm.identity())["NodeID"]
        present = await self._find(spec.volume_id)
        if present is None:
            if spec.made:
                raise _gone()
            await self._drop(spec.volume_id)
        bounded = _is_bounded(present) if present else await self._can_bound()
        grown = True
        if bounded:
            grown = await self._block(spec.volume_id, "attach", spec.size_bytes, spec=spec)
            await self._daemon.call(lambda client: self._create_bounded(client, spec))
            self._attached[spec.volume_id] = time.monotonic()
        else:
            await self._daemon.call(lambda client: self._create_folder(client, spec))
            await self._open_folder(spec.volume_id)
        return Volume(spec.volume_id, node, bounded, grown)

    async def attach(self, volume_id: str) -> None:
        """Have a bounded volume's device be there, as it was before the machine started anew."""
        if time.monotonic() - self._attached.get(volume_id, -ATTACHED_FOR) < ATTACHED_FOR:
            return
        present = await self._find(volume_id)
        if present is None:
            raise _gone()
        if _is_bounded(present):
            await self._block(volume_id, "attach", 0)
        self._attached[volume_id] = time.monotonic()

    async def attach_all(self, mounts: Sequence[VolumeMount]) -> None:
        for mount in mounts:
            await self.attach(mount.volume_id)

    async def attach_of(self, deployment_id: str) -> None:
        """What the units of a release mount."""
        mine = names.mine(self._instance, deployment=deployment_id)
        services = await self._swarm.call(lambda client: client.services(filters=mine))
        for volume_id in sorted(set().union(*map(_mounted, services))):
            await self.attach(volume_id)

    async def attach_lost(self) -> None:
        """Attach again what tasks could not mount; for each round of the reconciler."""
        if not any(_is_bounded(volume) for volume in await self._mine()):
            return
        for volume_id in await self._swarm.call(self._lost):
            try:
                self._attached.pop(volume_id, None)
                await self.attach(volume_id)
            except EngineError as error:
                logger.warning("volume {}: {}", volume_id, error.message)

    def _lost(self, client: APIClient) -> set[str]:
        """Volumes of releases whose newest task says that it could not mount one."""
        lost: set[str] = set()
        for service in client.services(filters=names.mine(self._instance)):
            if mounted := _mounted(service):
                tasks = client.tasks(filters={"service": service["ID"]})
                newest = max(tasks, key=lambda task: str(task["CreatedAt"]), default=None)
                if newest is not None and NOT_MOUNTED in newest["Status"].get("Err", ""):
                    lost |= mounted
        return lost

    async def remove(self, volume_id: str) -> None:
        self._attached.pop(volume_id, None)
        await self._daemon.call(lambda client: self._let_go(client, volume_id))
        bounded = await self._daemon.find(lambda client: client.inspect_volume(self._store(volume_id)))
        await self._drop(volume_id)
        if bounded is not None:
            await self._block(volume_id, "detach", 0)
            await self._daemon.find(lambda client: client.remove_volume(self._store(volume_id)))

    async def _drop(self, volume_id: str) -> None:
        try:
            await self._daemon.find(lambda client: client.remove_volume(self.name(volume_id)))
        except Conflict:
            message = "A release still uses the volume; this is tried again by itself."
            raise EngineError("volume_in_use", message, retry=Retry.BACKOFF) from None

    def _let_go(self, client: APIClient, volume_id: str) -> None:
        """Containers that ended still hold the volumes that they had."""
        filters = {**names.mine(self._instance), "volume": [self.name(volume_id)]}
        for container in client.containers(all=True, filters=filters):
            if container["State"] != "running":
                with contextlib.suppress(APIError):
                    client.remove_container(container["Id"], v=True)

    # Data ---------------------------------------------------------------------------------------

    async def export(self, volume_id: str) -> AsyncIterator[bytes]:
        await self.attach(volume_id)
        async for chunk in self._transfer.export(await self._image(), self.name(volume_id)):
            yield chunk

    async def put(self, volume_id: str, stream: AsyncIterator[bytes]) -> None:
        await self.attach(volume_id)
        image, mounts = (
            await self._image(),
            [Mount("/volume", self.name(volume_id), type="volume", no_copy=True)],
        )
        await self._daemon.call(
            lambda client: self._run(
                client, image, "volumeuse.py", "empty", mounts=mounts, network_mode="none"
            )
        )
        await self._transfer.put(image, self.name(volume_id), stream)

    # How ----------------------------------------------------------------------------------------

    def name(self, volume_id: str) -> str:
        return names.volume_name(self._instance, volume_id)

    def _store(self, volume_id: str) -> str:
        return f"{self.name(volume_id)}-store"

    async def _mine(self) -> list[dict[str, Any]]:
        found = await self._daemon.call(lambda client: client.volumes(filters=names.mine(self._instance)))
        return list(found["Volumes"] or ())

    async def _find(self, volume_id: str) -> dict[str, Any] | None:
        """None also for the empty one that Docker makes of itself for whoever mounts what is not there."""
        found = await self._daemon.find(lambda client: client.inspect_volume(self.name(volume_id)))
        return found if found is None or VOLUME in (found["Labels"] or {}) else None

    def _labels(self, spec: VolumeSpec) -> dict[str, str]:
        ids = names.labels(self._instance, service=spec.service_id, project=spec.project_id)
        return {**ids, VOLUME: spec.volume_id, SIZE: str(spec.size_bytes)}

    def _create_bounded(self, client: APIClient, spec: VolumeSpec) -> None:
        client.create_volume(
            self.name(spec.volume_id),
            driver="local",
            driver_opts={"type": "ext4", "device": f"/dev/{self.name(spec.volume_id)}"},
            labels=self._labels(spec),
        )

    def _create_folder(self, client: APIClient, spec: VolumeSpec) -> None:
        client.create_volume(self.name(spec.volume_id), driver="local", labels=self._labels(spec))

    async def _open_folder(self, volume_id: str) -> None:
        """As whom an image runs nobody knows, and nobody else mounts it."""
        image, mounts = (
            await self._image(),
            [Mount("/volume", self.name(volume_id), type="volume", no_copy=True)],
        )
        await self._daemon.call(
            lambda client: self._run(
                client, image, "volumeuse.py", "open", mounts=mounts, network_mode="none"
            )
        )

    async def _can_bound(self) -> bool:
        return await self._noted_bounded() or await self._try()

    async def _noted_bounded(self) -> bool:
        found = await asyncio.to_thread(read_json, self._noted)
        return found is not None and found["bounded"] and found["daemon"] == await self._swarm.identity()

    async def _try(self) -> bool:
        """Make a small one, and see it attached."""
        identity, why = await self._swarm.identity(), ""
        try:
            await self._block(TRIAL, "attach", TRIAL_BYTES)
        except EngineError as error:
            why = error.message
            logger.info("volumes are not bounded: {}", why)
        finally:
            await self._forget_trial()
        noted = {"bounded": not why, "why": why, "daemon": identity}
        await asyncio.to_thread(write_atomically, self._noted, json.dumps(noted).encode(), durable=False)
        return not why

    async def _forget_trial(self) -> None:
        with contextlib.suppress(EngineError):
            await self._block(TRIAL, "detach", 0)
        with contextlib.suppress(EngineError):
            await self._daemon.find(lambda client: client.remove_volume(self._store(TRIAL)))

    @property
    def _noted(self) -> Path:
        return self._layout.home / "volumes.json"

    async def _block(self, volume_id: str, what: str, size: int, *, spec: VolumeSpec | None = None) -> bool:
        """Run `blockfile.py` on the store of a volume; whether it is as large as it should be."""
        image, store = await self._image(), self._store(volume_id)
        machine = Mount("/host", "/", type="bind", read_only=True)
        machine["BindOptions"] = {"NonRecursive": True}
        labels = {**(self._labels(spec) if spec else names.labels(self._instance)), STORE: "yes"}
        mounts = [
            Mount("/store", store, type="volume", no_copy=True),
            machine,
            Mount("/host/dev", "/dev", type="bind"),
        ]
        order = {"do": what, "link": self.name(volume_id), "size": size, "made": bool(spec and spec.made)}

        def run(client: APIClient) -> Any:
            with self._layout.locked(LOCK):
                client.create_volume(store, driver="local", labels=labels)
                return self._run(
                    client,
                    image,
                    "blockfile.py",
                    order,
                    mounts=mounts,
                    network_mode="none",
                    userns_mode="host",
                    cap_add=["SYS_ADMIN", "MKNOD", *self._to_grow],
                    device_cgroup_rules=["b 7:* rwm", "c 10:237 rwm"],
                    security_opt=["apparmor=unconfined"],
                )

        try:
            answer = await self._daemon.call_long(run)
        except EngineError as error:
            if CAPABILITIES not in error.message or not self._to_grow:
                raise
            # A machine that is a container itself may not have it to give.
            self._to_grow = []
            return await self._block(volume_id, what, size, spec=spec)
        if answer.get("gone"):
            raise _gone()
        if answer.get("error"):
            raise EngineError("volume_failed", f"The volume could not be made: {answer['error']}")
        return bool(answer.get("grown", True))

    def _run(self, client: APIClient, image: str, script: str, order: Any, **host: Any) -> Any:
        """What the script answers, in a container of its own that is gone afterwards."""
        words = ["python3", "-I", "-S", "-c", (HERE / script).read_text(), json.dumps(order)]
        with self._helper(client, image, words, **host) as identity:
            client.start(identity)
            code = client.wait(identity, timeout=WITHIN)["StatusCode"]
            said = client.logs(identity, stdout=True, stderr=True).decode("utf-8", "replace")
            if code:
                raise EngineError("volume_failed", f"The volume could not be worked on: {said[-500:]}")
            return json.loads(said.splitlines()[-1])

    @contextlib.contextmanager
    def _helper(self, client: APIClient, image: str, words: list[str], **host: Any) -> Iterator[str]:
        """It bears a label of its own: what is left of a build is swept sooner than a long transfer ends."""
        config = client.create_host_config(mem_limit=MEMORY, **host)
        labels = {HELPER: self._instance}
        made = client.create_container(image, command=words, labels=labels, host_config=config, user="0")
        try:
            yield made["Id"]
        finally:
            with contextlib.suppress(Missing):
                client.remove_container(made["Id"], force=True, v=True)


def _mounted(service: dict[str, Any]) -> set[str]:
    """Ids of the volumes of a Swarm service's containers."""
    return {
        mount["Source"].rpartition("-volume-")[2]
        for mount in service["Spec"]["TaskTemplate"]["ContainerSpec"].get("Mounts") or ()
        if mount["Type"] == "volume"
    }


def _gone() -> EngineError:
    return EngineError(MISSING, "The volume is gone from this Docker.")


def _is_bounded(volume: dict[str, Any]) -> bool:
    return bool((volume.get("Options") or {}).get("device"))
