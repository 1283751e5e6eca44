"""Volumes of the `process` engine: a folder each, which the sandbox shows where the customer wants it.

Nothing here can bound how full one gets, so that is watched instead (`docs/decisions/0035-volumes.md`).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from backend.engines.base import ReleaseSpec
from backend.engines.errors import EngineError, Retry
from backend.engines.layout import Layout, checked, read_json, remove_tree
from backend.engines.mounts import Volume, VolumeSpec, VolumeUsage
from backend.engines.sandbox import Isolation
from backend.engines.sealed import write_atomically

CHUNK = 256 * 1024
APP = "/app"
"""Where apps lie in containers: here that is the folder `app` of the build."""


class Folders:
    """`<home>/volumes/<id>/`: what the volume is, and its data."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def ensure(self, spec: VolumeSpec) -> Volume:
        await asyncio.to_thread(self._ensure, spec)
        return Volume(spec.volume_id, node="", bounded=False)

    def _ensure(self, spec: VolumeSpec) -> None:
        folder = self._folder(spec.volume_id)
        if spec.made:
            self.checked_data(spec.volume_id)
        self.data(spec.volume_id).mkdir(mode=0o755, parents=True, exist_ok=True)
        size = max(spec.size_bytes, (read_json(folder / "volume.json") or {}).get("size_bytes", 0))
        facts = {"service_id": spec.service_id, "size_bytes": size}
        write_atomically(folder / "volume.json", json.dumps(facts).encode())

    async def remove(self, volume_id: str) -> None:
        await asyncio.to_thread(remove_tree, self._folder(volume_id))

    async def usage(self, volume_ids: Sequence[str]) -> dict[str, VolumeUsage]:
        return await asyncio.to_thread(self._usage, volume_ids)

    def _usage(self, volume_ids: Sequence[str]) -> dict[str, VolumeUsage]:
        found = {}
        for volume_id in volume_ids:
            facts = read_json(self._folder(volume_id) / "volume.json")
            if facts is not None:
                found[volume_id] = VolumeUsage(used_by(self.data(volume_id)), facts["size_bytes"])
        return found

    def shown(self, spec: ReleaseSpec, app: Path, isolation: Isolation) -> dict[str, Any]:
        """What the launcher shows a release, as `sandbox.show` reads it. Raises `volume_missing`."""
        if not spec.volumes and not spec.files:
            return {}
        if not isolation.arguments:
            message = "Without bubblewrap there is no place to show volumes and secret files in. Install it."
            raise EngineError("volume_failed", message, detail="no_sandbox")
        return {
            "volumes": [
                (str(self.checked_data(mount.volume_id)), place)
                for mount in spec.volumes
                for place in _places(mount.path, app)
            ],
            "files": [
                (place, base64.b64encode(file.content).decode())
                for file in spec.files
                for place in _places(file.path, app)
            ],
        }

    def checked_data(self, volume_id: str) -> Path:
        data = self.data(volume_id)
        if not data.is_dir():
            raise EngineError("volume_missing", "The volume's folder is gone from this machine.")
        return data

    async def export(self, volume_id: str) -> AsyncIterator[bytes]:
        data = self.checked_data(volume_id)
        tar = await asyncio.create_subprocess_exec(
            "tar",
            f"--directory={data}",
            "--create",
            "--format=posix",
            "--sparse",
            "--sort=name",
            ".",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert tar.stdout is not None
        try:
            while chunk := await tar.stdout.read(CHUNK):
                yield chunk
            # 1: a file changed while it was read.
            if await tar.wait() not in (0, 1):
                raise EngineError("engine_unavailable", "The volume could not be read.", retry=Retry.BACKOFF)
        finally:
            with contextlib.suppress(ProcessLookupError):
                tar.kill()
            await tar.wait()

    async def put(self, volume_id: str, stream: AsyncIterator[bytes]) -> None:
        """Beside what is there, and in its place once it is complete."""
        data = self.checked_data(volume_id)
        fresh, old = data.with_name("data.new"), data.with_name("data.old")
        for leftover in (fresh, old):
            await asyncio.to_thread(remove_tree, leftover)
        fresh.mkdir(mode=0o755)
        await self._extract(fresh, stream)
        await asyncio.to_thread(os.rename, data, old)
        await asyncio.to_thread(os.rename, fresh, data)
        await asyncio.to_thread(remove_tree, old)

    async def _extract(self, into: Path, stream: AsyncIterator[bytes]) -> None:
        tar = await asyncio.create_subprocess_exec(
            "tar",
            f"--directory={into}",
            "--extract",
            "--preserve-permissions",
            "--no-same-owner",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert tar.stdin is not None
        assert tar.stderr is not None
        said = asyncio.create_task(tar.stderr.read())
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                async for chunk in stream:
                    tar.stdin.write(chunk)
                    await tar.stdin.drain()
                tar.stdin.close()
            code = await tar.wait()
            if code:
                raise refused((await said).decode("utf-8", "replace"))
        finally:
            with contextlib.suppress(ProcessLookupError):
                tar.kill()
            await tar.wait()
            said.cancel()

    def data(self, volume_id: str) -> Path:
        return self._folder(volume_id) / "data"

    def _folder(self, volume_id: str) -> Path:
        return self._layout.home / "volumes" / checked(volume_id)


def _places(path: str, app: Path) -> list[str]:
    """What is called `/app/uploads` is so called here too, and is found beside the app's code, which lies
    elsewhere."""
    return [path, str(app) + path.removeprefix(APP)] if path.startswith(f"{APP}/") else [path]


def refused(said: str) -> EngineError:
    """Why an archive could not be unpacked, by what was said about it."""
    if "no space left" in said.lower():
        return EngineError("volume_full", "The volume is too small for what the archive holds.")
    return EngineError("archive_invalid", "The archive is damaged or cut off.")


def used_by(folder: Path) -> int:
    """Bytes on disk, each file once; what vanishes meanwhile or may not be read is left out."""
    total, seen, waiting = 0, set(), [os.fspath(folder)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    facts = entry.stat(follow_symlinks=False)
                    if (facts.st_dev, facts.st_ino) in seen:
                        continue
                    if facts.st_nlink > 1:
                        seen.add((facts.st_dev, facts.st_ino))
                    total += facts.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return total
