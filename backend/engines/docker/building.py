"""One run of Docker's classic builder: its progress as log lines, its end in words, its limits watched."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

from docker import APIClient
from requests import Response

from backend.engines.base import EngineError, Report, Retry
from backend.engines.docker.buildsecrets import Asking, hand
from backend.engines.docker.client import Daemon, NotFound
from backend.engines.docker.context import DOCKERFILE
from backend.engines.docker.ownfile import MOST_INSTRUCTIONS
from backend.engines.docker.stream import Message, messages
from backend.engines.docker.variables import invalid
from backend.engines.text import clean_line
from backend.engines.watch import LONGEST_RAW_LINE, Output, TooLarge

CPU_PERIOD = 100_000
TICK = 1.0
"""Seconds between looks at what a build has written, at least."""
LEAVING = 15
"""Seconds that the daemon gets to end what an abandoned build runs; then it is told to."""
LONGEST_STEP = 200
MOST_CONTAINERS = 2 * MOST_INSTRUCTIONS
KILLED = 137
MANY = 8
"""Lines that come together are a command's, never the builder's own."""
UNCOLOURED = "\x1b[0m"
"""What the builder prints after the errors of a command, which it colours."""

_STEP = re.compile(r"Step \d+/\d+ : (.*)")
_LOST = re.compile(r"(?:unable to find image|no such image)\b", re.IGNORECASE)
"""A layer of the cache was pruned while the build went on from it."""
_RUNNING = re.compile(r" ---> Running in ([0-9a-f]{12})")
_LAYER = re.compile(r" ---> ([0-9a-f]{12})")
_CHATTER = re.compile(r"Removing intermediate container [0-9a-f]{12}|Successfully built .*|")


@dataclass(frozen=True, slots=True, repr=False)
class Order:
    """What is asked of the builder."""

    context: IO[bytes]
    labels: Mapping[str, str]
    """Of the image."""
    marks: Mapping[str, str]
    """Labels that all containers of the build bear, by instructions of the Dockerfile."""
    arguments: Mapping[str, str]
    asking: Mapping[str, Asking]
    """Instructions that take secrets."""
    secrets: Mapping[str, str]
    """By name; each container gets those that its instruction asks for."""
    hidden: frozenset[str]
    """Instructions that are the engine's own, of no interest in the log."""
    memory_bytes: int
    cpu_millis: int
    cgroup: str
    """In which its containers are begun; empty for Docker's own."""
    network: str
    """That its containers are in."""
    max_bytes: int
    """That its containers and layers may take in all."""
    check_space: Callable[[], None]
    """Raises when the daemon's disk is nearly full."""


class Building:
    def __init__(self, daemon: Daemon, order: Order, report: Report) -> None:
        self._daemon, self._order = daemon, order
        self._output = Output(report)
        self._partial = ""
        self._quiet = False
        self._step = ""
        self._asking: Asking | None = None
        self._containers: set[str] = set()
        """Beginnings of the ids that the answer named; a command can name further ones, but hide none."""
        self._named: str | None = None
        self._below: int | None = None
        """Bytes of the image to which the present step adds; None before the first of a stage."""
        self._written: dict[str, int] = {}
        self._image: str | None = None

    async def run(self) -> str:
        """The id of the image, which has no name yet.

        Raises `TooLarge`, or EngineError: build_failed, engine_unavailable. However it ends, cancelled
        too, no container of the build is left.
        """
        watching = asyncio.create_task(self._exceeds())
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait({watching, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                watching.result()
                raise TooLarge
            image = reading.result()
        except Exception:
            await self._close_output()
            raise
        else:
            await self._close_output()
            return image
        finally:
            for task in (watching, reading):
                task.cancel()
            await asyncio.shield(self._left(watching, reading))

    async def _left(self, *tasks: asyncio.Task[Any]) -> None:
        await asyncio.gather(*tasks, return_exceptions=True)
        deadline = time.monotonic() + LEAVING
        # What the daemon keeps from us now, pruning finds later.
        with contextlib.suppress(EngineError):
            found = await self._running()
            while found and time.monotonic() < deadline:
                await asyncio.sleep(0.1)
                found = await self._running()
            for facts in found:
                await self._daemon.find(functools.partial(remove_by_force, identity=facts["Id"]))

    # The builder's answer ---------------------------------------------------------------------------

    async def _read(self) -> str:
        async with messages(self._daemon, self._request) as received:
            async for message in received:
                await self._take(message)
        if self._image is None:
            raise _gone()
        return self._image

    def _request(self, client: APIClient) -> Response:
        order = self._order
        params = {
            "dockerfile": DOCKERFILE,
            "rm": True,
            "forcerm": True,
            "labels": json.dumps(order.labels),
            "buildargs": json.dumps(order.arguments),
            "memory": order.memory_bytes,
            "memswap": order.memory_bytes,
            "cgroupparent": order.cgroup,
            "networkmode": order.network,
            "cpuperiod": CPU_PERIOD,
            "cpuquota": CPU_PERIOD * order.cpu_millis // 1000,
        }
        order.context.seek(0)
        response = client._post(
            client._url("/build"),
            params=params,
            data=order.context,
            headers={"Content-Type": "application/x-tar"},
            stream=True,
            timeout=None,
        )
        if response.status_code == 400:
            raise invalid(clean_line(str(response.json().get("message", ""))[:500].encode()))
        return response

    async def _take(self, message: Message) -> None:
        if text := message.get("stream"):
            await self._print(text)
        elif "error" in message:
            raise self._failed(message)
        elif identity := (message.get("aux") or {}).get("ID"):
            self._image = str(identity)

    async def _print(self, text: str) -> None:
        *lines, self._partial = (self._partial + text).split("\n")
        self._partial = self._partial[:LONGEST_RAW_LINE]
        if len(lines) > MANY:
            await self._output.feed(_raw("\n".join(lines)))
        else:
            for line in lines:
                await self._line(line.removeprefix(UNCOLOURED))

    async def _line(self, line: str) -> None:
        """A command can print what the builder prints: so these are trusted only as far as the labels of
        this build go."""
        if step := _STEP.fullmatch(line):
            self._asking = self._order.asking.get(step[1])
            shown = self._asking.line if self._asking else step[1]
            self._step, self._named = shown[:LONGEST_STEP], None
            if step[1].startswith("FROM "):
                self._below = 0 if step[1].startswith("FROM scratch") else None
            # The last instruction is the builder's: the labels that were asked for.
            self._quiet = step[1] in self._order.hidden or step[1].startswith("LABEL gavan.")
            line = f"— {self._step}"
        elif running := _RUNNING.fullmatch(line):
            self._named = running[1]
            self._containers.add(running[1])
            if len(self._containers) > MOST_CONTAINERS:
                raise invalid("a command imitates the builder's output")
            if self._asking is not None:
                order = self._order
                await hand(self._daemon, running[1], order.marks, self._asking, order.secrets)
            return
        elif layer := _LAYER.fullmatch(line):
            await self._measure(layer[1])
            return
        elif _CHATTER.fullmatch(line):
            return
        elif line == " ---> Using cache":
            line = "  (from the cache)"
        if not self._quiet:
            await self._output.feed(_raw(line))

    async def _close_output(self) -> None:
        if self._partial.removeprefix(UNCOLOURED):
            await self._line(self._partial)
        await self._output.close()

    def _failed(self, message: Message) -> EngineError:
        detail = message.get("errorDetail") or {}
        status = detail.get("code")
        if isinstance(status, int) and status:
            killed = status == KILLED
            words = " (killed, most likely for lack of memory)" if killed else f" (exit status {status})"
            return EngineError(
                "build_failed",
                f"{self._step} failed{words}; its output says why.",
                because="killed" if killed else "exit_other",
                step=self._step,
                exit_status=status,
            )
        said = clean_line(str(message["error"])[:500].encode())
        if _LOST.search(said):
            raise _gone()
        return EngineError(
            "build_failed",
            f"{self._step or 'The build'} failed: {said}",
            detail="builder_refused",
            step=self._step,
            output=said,
        )

    # What it takes ----------------------------------------------------------------------------------

    async def _running(self, *, size: bool = False) -> list[dict[str, Any]]:
        """The containers of this build, of which there is one at a time."""
        if not self._containers:
            return []
        filters = {"label": [f"{name}={value}" for name, value in self._order.marks.items()]}
        found: list[dict[str, Any]] = await self._daemon.call(
            lambda client: client.containers(all=True, size=size, filters=filters)
        )
        return [facts for facts in found if facts["Id"][:12] in self._containers]

    async def _measure(self, identity: str) -> None:
        """What a step added to the image: COPY has no container that could be watched."""
        facts = await self._daemon.find(lambda client: client.inspect_image(identity))
        size = int(facts["Size"]) if facts else 0
        if self._below is not None:
            key = self._named or identity
            self._written[key] = max(self._written.get(key, 0), size - self._below)
        self._below = size

    async def _in_volumes(self, container: dict[str, Any]) -> int:
        """Bytes in its volumes; only base images bring any. To count them is much work for the daemon."""
        mounts = container.get("Mounts") or ()
        names = {mount["Name"] for mount in mounts if mount.get("Type") == "volume"}
        if not names:
            return 0
        try:
            found = await self._daemon.call(lambda client: client.df())
        except EngineError:
            # It counts for one at a time.
            return self._written.get(container["Id"][:12], 0)
        volumes = [volume for volume in found.get("Volumes") or () if volume["Name"] in names]
        return sum(max(0, (volume.get("UsageData") or {}).get("Size", 0)) for volume in volumes)

    async def _exceeds(self) -> None:
        """Returns when the build has written more than it may; raises when the disk is nearly full."""
        pause = TICK
        while sum(self._written.values()) <= self._order.max_bytes:
            await asyncio.sleep(pause)
            began = time.monotonic()
            try:
                found = await self._running(size=True)
                await asyncio.to_thread(self._order.check_space)
            except NotFound:
                continue
            for facts in found:
                written = (facts.get("SizeRw") or 0) + await self._in_volumes(facts)
                self._written[facts["Id"][:12]] = written
            pause = max(TICK, 10 * (time.monotonic() - began))


def _gone() -> EngineError:
    return EngineError(
        "engine_unavailable",
        "Docker ended while it built; this is tried again by itself.",
        retry=Retry.BACKOFF,
        detail="builder_gone",
    )


def _raw(line: str) -> bytes:
    return line.encode("utf-8", "replace") + b"\n"


def remove_by_force(client: APIClient, identity: str) -> None:
    client.remove_container(identity, force=True, v=True)
