"""Runs one child process under guard: wall time, disk, output; nothing of it survives the call."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from backend.engines.base import EngineError, Report, Retry
from backend.engines.processes import kill_group
from backend.engines.text import clean_line

CHUNK = 65536
LONGEST_RAW_LINE = 16384
RESERVE = 256 * 2**20
"""Bytes of free space below which nothing may go on writing."""
TICK = 0.1
"""Seconds between looks at the free space; the folders themselves are summed up less often."""


class TimedOut(Exception):
    pass


class TooLarge(Exception):
    pass


class DiskShort(EngineError):
    """Whatever the child may still write, the databases of the panel come first."""

    def __init__(self) -> None:
        message = "This server is short of disk space; its operator has to make room. This is tried again."
        super().__init__("engine_unavailable", message, retry=Retry.BACKOFF, detail="disk_short")


class Sink(Protocol):
    async def feed(self, data: bytes) -> None: ...

    async def close(self) -> None: ...


class Output:
    """Hands lines on as they come; of a flood the beginning, and at the end the last lines."""

    def __init__(self, report: Report, *, lines: int = 4000, tail: int = 60) -> None:
        self._report = report
        self._left = lines
        self._rest: deque[str] = deque(maxlen=tail)
        self._held = 0
        self._partial = b""

    async def feed(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        if self._held and (spare := len(lines) - (self._rest.maxlen or 0)) > 0:
            # They would only push each other out.
            self._held += spare
            del lines[:spare]
        for line in lines:
            await self._line(line)
        if len(self._partial) > LONGEST_RAW_LINE:
            # Kept at that length until its end comes, so that a line without end takes no memory.
            self._partial = self._partial[:LONGEST_RAW_LINE]

    async def _line(self, raw: bytes) -> None:
        text = clean_line(raw)
        if self._left > 0:
            self._left -= 1
            await self._report(text)
            return
        if not self._held:
            await self._report("… more output follows; only its end will be shown")
        self._held += 1
        self._rest.append(text)

    async def close(self) -> None:
        if self._partial:
            await self._line(self._partial)
        if self._held > len(self._rest):
            await self._report(f"… {self._held - len(self._rest)} lines cut")
        for line in self._rest:
            await self._report(line)
        self._rest.clear()


def folder_size(folders: Sequence[Path]) -> int:
    """Bytes on disk, links not followed, each file at least a kilobyte for what it costs to keep."""
    total, seen = 0, set()
    pending: list[str | Path] = list(folders)
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        info = entry.stat(follow_symlinks=False)
                        if stat.S_ISDIR(info.st_mode):
                            pending.append(entry.path)
                        elif info.st_nlink > 1:
                            if (info.st_dev, info.st_ino) in seen:
                                continue
                            seen.add((info.st_dev, info.st_ino))
                        total += max(info.st_blocks * 512, 1024)
        except OSError:
            continue
    return total


async def run_guarded(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes,
    timeout: float,
    folders: Sequence[Path],
    max_bytes: int,
    output: Sink,
) -> int:
    """The exit status of `argv` (negative for a signal), its output handed to `output`.

    Raises `TimedOut`, `TooLarge` or `DiskShort`. However it ends, the whole process group is killed.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=dict(env),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    pumping = asyncio.create_task(_pump(process, stdin, output))
    waiting = asyncio.create_task(_ended(process))
    watching = asyncio.create_task(_exceeds(folders, max_bytes))
    deadline = asyncio.timeout(timeout)
    try:
        async with deadline:
            pending: set[asyncio.Task[object]] = {waiting, watching, pumping}
            while not waiting.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if watching in done:
                    watching.result()
                    raise TooLarge
                if pumping in done:
                    pumping.result()
            kill_group(process.pid)
            # A grandchild that left the group may hold the pipe open for ever.
            await asyncio.wait({pumping}, timeout=5)
    except TimeoutError:
        if deadline.expired():
            raise TimedOut from None
        raise
    finally:
        if not waiting.done():
            kill_group(process.pid)
        watching.cancel()
        if not pumping.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(pumping), 0.2)
            pumping.cancel()
        await asyncio.gather(pumping, watching, return_exceptions=True)
        await waiting
        # Our end of the pipe, should somebody still hold the other.
        process._transport.close()  # type: ignore[attr-defined]
    if pumping.done() and not pumping.cancelled() and (error := pumping.exception()):
        raise error
    await output.close()
    return waiting.result()


async def _ended(process: asyncio.subprocess.Process) -> int:
    """The exit status as soon as there is one; `Process.wait` also waits for the end of the output."""
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process.pid)
        loop.add_reader(descriptor, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    while process.returncode is None:  # noqa: ASYNC110 (asyncio's own reaper is a moment behind the kernel)
        await asyncio.sleep(0.002)
    return process.returncode


async def _pump(process: asyncio.subprocess.Process, stdin: bytes, output: Sink) -> None:
    assert process.stdin
    assert process.stdout
    with contextlib.suppress(ConnectionError):
        process.stdin.write(stdin)
        await process.stdin.drain()
    process.stdin.close()
    while data := await process.stdout.read(CHUNK):
        await output.feed(data)


async def _exceeds(folders: Sequence[Path], max_bytes: int) -> None:
    """Returns when the folders hold more than `max_bytes`. Raises `DiskShort`."""
    loop = asyncio.get_running_loop()
    free_before = _free(folders)
    pause = 5 * TICK
    next_sum = loop.time() + pause
    while True:
        await asyncio.sleep(TICK)
        if (free := _free(folders)) < RESERVE:
            raise DiskShort
        suspicious = free_before - free > max_bytes
        if loop.time() < next_sum and not (suspicious and loop.time() > next_sum - pause / 2):
            continue
        began = loop.time()
        if await asyncio.to_thread(folder_size, folders) > max_bytes:
            return
        pause = max(5 * TICK, 10 * (loop.time() - began))
        next_sum = loop.time() + pause


def _free(folders: Sequence[Path]) -> int:
    try:
        info = os.statvfs(folders[0])
    except OSError:
        return RESERVE
    return info.f_bavail * info.f_frsize
