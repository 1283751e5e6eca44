"""Fetching a source into a deployment's folder, by a child process of its own; the same for every engine."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loguru import logger

from backend.engines import imagenames, processes, sandbox
from backend.engines.addresses import Allowed, check_url
from backend.engines.base import Access, EngineError, Fetched, FetchSpec, Report, Retry
from backend.engines.gitguard import too_large
from backend.engines.layout import Deployment, Layout, checked, remove_tree
from backend.engines.sealed import write_atomically
from backend.engines.watch import TimedOut, TooLarge, run_guarded

ROOT = Path(__file__).resolve().parents[2]
LONGEST_MESSAGE = 1 << 20
LOOK_BYTES = 64 * 2**20
"""Of a list of branches and tags, at most."""


@dataclass(frozen=True, slots=True)
class ImageBounds:
    """What images are fetched within."""

    architecture: str
    """Of the nodes, as registries say it: `amd64`, `arm64`, …"""
    timeout: float
    max_bytes: int
    reserve_bytes: int
    """Of the disk, which stay free."""
    held: frozenset[str] = frozenset()
    """Digests of those whose layers are here, and need not be fetched."""


class Fetcher:
    def __init__(
        self,
        layout: Layout,
        instance: str,
        *,
        allowed_private: tuple[str, ...],
        timeout: float,
        max_bytes: int,
    ) -> None:
        self._layout, self._instance = layout, instance
        self._allowed_private, self._allowed = allowed_private, Allowed.parse(allowed_private)
        self._timeout, self._max_bytes = timeout, max_bytes

    def check_url(self, url: str) -> None:
        """Refuse at once what can be told to be wrong without the network: `source_forbidden`."""
        check_url(url, self._allowed)

    def check(self, spec: FetchSpec) -> None:
        """The same of any kind of source."""
        if spec.kind == "git":
            self.check_url(spec.url)
        elif spec.kind == "image":
            imagenames.check(spec.url, self._allowed)

    async def fetch(self, spec: FetchSpec, report: Report, images: ImageBounds | None = None) -> Fetched:
        self.check(spec)
        at = self._layout.deployment(spec.deployment_id)
        staging = await asyncio.to_thread(self._prepare, at, spec)
        request = {
            "url": spec.url,
            "ref": spec.ref,
            "commit": spec.commit,
            "root": spec.root,
            "access": asdict(spec.access) if spec.access else None,
            "folder": str(staging),
            "allowed_private": list(self._allowed_private),
            "max_bytes": self._max_bytes,
            "kind": spec.kind,
        }
        timeout, most = self._timeout, self._max_bytes
        if spec.kind == "archive":
            request["archive"] = str(self._layout.archive(spec.archive_id))
        elif spec.kind == "image":
            assert images is not None
            timeout, most = images.timeout, images.max_bytes
            request |= {
                "architecture": images.architecture,
                "max_bytes": most,
                "reserve_bytes": images.reserve_bytes,
                "held": sorted(images.held),
            }
        try:
            marker = self._marker("fetch", at.id)
            done = await _ask_child(request, staging, timeout, most, report, marker)
            fetched = done["fetched"]
            await asyncio.to_thread(os.rename, staging / "tree", at.source)
            return Fetched(fetched["commit"], fetched["subject"], fetched["host_key"], fetched.get("digest"))
        finally:
            await asyncio.shield(asyncio.to_thread(remove_tree, staging))

    def end_leftovers(self, deployment_id: str) -> None:
        """End what a fetch or a build of an earlier life of the panel left running."""
        for kind in ("fetch", "build"):
            processes.end_leftovers(self._marker(kind, deployment_id), None, None)

    def _prepare(self, at: Deployment, spec: FetchSpec) -> Path:
        self._layout.prepare()
        self.end_leftovers(at.id)
        at.folder.mkdir(mode=0o700, exist_ok=True)
        at.built.unlink(missing_ok=True)
        for old in (at.source, at.tree, *at.folder.glob("fetching-*")):
            remove_tree(old)
        write_atomically(at.facts, json.dumps({"service_id": checked(spec.service_id)}).encode())
        staging = at.folder / f"fetching-{os.urandom(4).hex()}"
        staging.mkdir(mode=0o700)
        return staging

    def _marker(self, kind: str, deployment_id: str) -> str:
        return processes.mark(kind, deployment_id, self._instance)


@dataclass(frozen=True, slots=True)
class Found:
    """What a fetch would bring."""

    commit: str | None
    """None for one that only the repository's history can tell of."""
    kind: str
    """What `ref` is: `default`, `branch`, `tag` or `commit`; or the source, `image` or `archive`."""
    host_key: str | None
    """As `Fetched.host_key`."""
    digest: str | None = None
    """Of an image: what its name stands for now."""
    files: int = 0
    """In an archive."""


async def look(
    url: str, ref: str | None, access: Access | None, *, allowed_private: Sequence[str], timeout: float
) -> Found:
    """Ask a repository without fetching it; raises what `Fetcher.fetch` would, as far as can be told."""
    check_url(url, Allowed.parse(allowed_private))
    request = {
        "url": url,
        "ref": ref,
        "access": asdict(access) if access else None,
        "allowed_private": list(allowed_private),
        "max_bytes": LOOK_BYTES,
    }
    return await _look(request, timeout, LOOK_BYTES)


async def look_at_image(
    name: str,
    access: Access | None,
    *,
    architecture: str,
    allowed_private: Sequence[str],
    max_bytes: int,
    timeout: float,
) -> Found:
    """Ask a registry for an image without fetching it."""
    imagenames.check(name, Allowed.parse(allowed_private))
    request = {
        "kind": "image",
        "url": name,
        "access": asdict(access) if access else None,
        "allowed_private": list(allowed_private),
        "architecture": architecture,
        "max_bytes": max_bytes,
    }
    return await _look(request, timeout, LOOK_BYTES)


async def look_at_archive(path: Path, *, max_bytes: int, timeout: float) -> Found:
    """Read an archive through without unpacking it. Raises what `Fetcher.fetch` would."""
    request = {"kind": "archive", "archive": str(path), "max_bytes": max_bytes}
    return await _look(request, timeout, max_bytes)


async def _look(request: dict[str, Any], timeout: float, most: int) -> Found:
    home = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="gavan-look-"))
    try:
        found = (await _ask_child(request, home, timeout, most, _say_nothing, None))["found"]
        return Found(**found)
    finally:
        await asyncio.shield(asyncio.to_thread(remove_tree, home))


async def _say_nothing(_: str) -> None: ...


async def _ask_child(
    request: dict[str, Any], home: Path, timeout: float, max_bytes: int, report: Report, marker: str | None
) -> dict[str, Any]:
    """Its last word. What is secret goes by stdin, which no list of processes shows."""
    answer = _Answer(report)
    try:
        status = await run_guarded(
            [sys.executable, "-m", "backend.engines.fetch"],
            cwd=ROOT,
            env={
                **sandbox.certificate_variables(),
                **({processes.MARKER: marker} if marker else {}),
                "HOME": str(home),
                "LANG": "C.UTF-8",
                "PATH": os.defpath,
                "TMPDIR": str(home),
            },
            stdin=json.dumps({**request, "timeout": timeout, "parent": os.getpid()}).encode(),
            timeout=timeout,
            folders=[home],
            max_bytes=2 * max_bytes,
            output=answer,
        )
    except TimedOut:
        raise EngineError(
            "source_timeout",
            f"The source could not be fetched within {timeout:.0f} seconds.",
            seconds=round(timeout),
        ) from None
    except TooLarge:
        raise too_large(max_bytes) from None
    return answer.result(status)


class _Answer:
    """Takes the child's JSON lines: hands log lines on, keeps the last word."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._partial = b""
        self._last: dict[str, Any] = {}

    async def feed(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._partial = self._partial[:LONGEST_MESSAGE]
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                logger.debug("fetch: {}", line[:500].decode("utf-8", "replace"))
                continue
            if isinstance(message, dict) and "line" in message:
                await self._report(message["line"])
            elif isinstance(message, dict):
                self._last = message

    async def close(self) -> None: ...

    def result(self, status: int) -> dict[str, Any]:
        if "fetched" in self._last or "found" in self._last:
            return self._last
        if error := self._last.get("error"):
            retry = Retry.BACKOFF if error["retry"] else Retry.NEVER
            raise EngineError(error["code"], error["message"], retry=retry, **error["parameters"])
        logger.warning("fetch ended with status {} and no answer", status)
        raise EngineError(
            "source_unreachable",
            "Fetching was interrupted; this is tried again by itself.",
            retry=Retry.BACKOFF,
            detail="interrupted",
        )
