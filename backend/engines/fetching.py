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

from backend.engines import processes, sandbox
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

    async def fetch(self, spec: FetchSpec, report: Report) -> Fetched:
        self.check_url(spec.url)
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
        }
        try:
            marker = self._marker("fetch", at.id)
            done = await _ask_child(request, staging, self._timeout, self._max_bytes, report, marker)
            fetched = done["fetched"]
            await asyncio.to_thread(os.rename, staging / "tree", at.source)
            return Fetched(fetched["commit"], fetched["subject"], fetched["host_key"])
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
    """What `ref` is: `default`, `branch`, `tag` or `commit`."""
    host_key: str | None
    """As `Fetched.host_key`."""


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
    home = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="gavan-look-"))
    try:
        found = (await _ask_child(request, home, timeout, LOOK_BYTES, _say_nothing, None))["found"]
        return Found(found["commit"], found["kind"], found["host_key"])
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
            f"The repository could not be fetched within {timeout:.0f} seconds.",
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
