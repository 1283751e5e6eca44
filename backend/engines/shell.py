"""A shell of the `process` engine: in a sandbox as the unit's own, at a terminal of the kernel's."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import marshal
import os
import pty
import signal
import struct
import termios
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend.engines import processes, sandbox
from backend.engines.insight import Terminal, bounded

CHUNK = 32 * 1024
PARTING = 2.0
"""Seconds between asking a shell to end and ending it."""


class Shell(Terminal):
    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self._process, self._master = process, master
        self._closed = False
        os.set_blocking(master, False)

    @classmethod
    async def open(
        cls,
        isolation: sandbox.Isolation,
        stage: dict[str, Any],
        *,
        home: Path,
        writable: Sequence[Path],
        marker: str,
        columns: int,
        rows: int,
        shown: Sequence[str] = (),
    ) -> Shell:
        """`stage` as of the unit; only what runs is another. Everything ends with this process, too."""
        order = {
            **stage,
            "argv": ["/bin/sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec /bin/sh"],
            "env": {**stage["env"], "TERM": "xterm-256color", processes.MARKER: marker},
            "terminal": True,
        }
        words = [
            *sandbox.enter(
                isolation, home=home, writable=writable, cwd=Path(stage["cwd"]), together=True, shown=shown
            ),
            *sandbox.stage_words(isolation),
        ]
        master, slave = pty.openpty()
        read_order = os.memfd_create("order", 0)
        try:
            _resize(master, columns, rows)
            os.write(read_order, marshal.dumps(order))
            os.lseek(read_order, 0, os.SEEK_SET)
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=read_order,
                stdout=slave,
                stderr=slave,
                env={"PATH": os.defpath, "LANG": "C.UTF-8", processes.MARKER: marker},
                start_new_session=True,
            )
        except BaseException:
            os.close(master)
            raise
        finally:
            os.close(read_order)
            os.close(slave)
        return cls(process, master)

    async def read(self) -> bytes:
        while not self._closed:
            try:
                return os.read(self._master, CHUNK)
            except BlockingIOError:
                await self._ready(writing=False)
            except OSError:
                # Nobody has the other end any more.
                return b""
        return b""

    async def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest and not self._closed:
            try:
                rest = rest[os.write(self._master, rest) :]
            except BlockingIOError:
                await self._ready(writing=True)
            except OSError:
                return

    async def _ready(self, *, writing: bool) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def notice() -> None:
            if not done.done():
                done.set_result(None)

        watch, forget = (
            (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
        )
        watch(self._master, notice)
        try:
            await done
        finally:
            forget(self._master)

    async def resize(self, columns: int, rows: int) -> None:
        if not self._closed:
            _resize(self._master, columns, rows)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        # As a terminal that is switched off: the shell is told, and tells what it started.
        os.close(self._master)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), PARTING)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


def _resize(terminal: int, columns: int, rows: int) -> None:
    size = struct.pack("HHHH", bounded(rows), bounded(columns), 0, 0)
    with contextlib.suppress(OSError):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
