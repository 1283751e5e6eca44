"""A shell in a container: `docker exec` with a terminal, over the connection that the daemon gives away."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from docker import APIClient
from docker.errors import APIError, DockerException

from backend.engines.base import EngineError
from backend.engines.docker.client import Daemon
from backend.engines.docker.template import ENVIRONMENT
from backend.engines.insight import Terminal, bounded, no_shell

T = TypeVar("T")

CHUNK = 32 * 1024
PARTING = 2
"""Seconds between asking a shell to end and ending it."""

# The app's variables are the shell's too. Its number is kept in the container, for only there it means
# something: docker leaves what it executed running when nobody is connected any more.
_SHELL = f"""echo $$ >"$1"
[ -r {ENVIRONMENT} ] && . {ENVIRONMENT}
if command -v bash >/dev/null 2>&1; then exec bash; fi
exec /bin/sh"""
_END = f"""read p <"$1" || exit 0
kill -HUP "-$p" "$p" 2>/dev/null && sleep {PARTING} && kill -KILL "-$p" "$p" 2>/dev/null
rm -f "$1\""""
_NO_SHELL = ("no such file", "not found", "permission denied")
_MISSING = frozenset({126, 127})


class ContainerTerminal(Terminal):
    def __init__(self, client: APIClient, container_id: str) -> None:
        self._client, self._container = client, container_id
        self._mark = f"/tmp/.gavan-{secrets.token_hex(8)}"  # noqa: S108 (in the container)
        # Reading waits in one thread, writing in another; neither keeps a thread that others need.
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="console")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="console")
        self._exec = ""
        self._response: Any = None
        self._closed = False

    @classmethod
    async def open(cls, daemon: Daemon, container_id: str, columns: int, rows: int) -> ContainerTerminal:
        client = await asyncio.to_thread(daemon.connect)
        terminal = cls(client, container_id)
        try:
            await terminal._run(terminal._writing, terminal._start)
            await terminal.resize(columns, rows)
        except BaseException:
            await asyncio.shield(terminal.close())
            raise
        return terminal

    def _start(self) -> None:
        made = self._client.exec_create(
            self._container,
            ["/bin/sh", "-c", _SHELL, "sh", self._mark],
            stdin=True,
            tty=True,
            environment={"TERM": "xterm-256color"},
        )
        self._exec = made["Id"]
        url = self._client._url("/exec/{0}/start", self._exec)
        headers = {"Connection": "Upgrade", "Upgrade": "tcp"}
        response = self._client._post_json(
            url, headers=headers, data={"Tty": True, "Detach": False}, stream=True
        )
        self._client._raise_for_status(response)
        self._response = response
        self._socket.settimeout(None)

    @property
    def _stream(self) -> Any:
        """The buffered one: it may have read what came right behind the answer's headers."""
        return self._response.raw._fp.fp

    @property
    def _socket(self) -> socket.socket:
        found: socket.socket = self._stream.raw._sock
        return found

    async def read(self) -> bytes:
        def receive() -> bytes:
            try:
                received: bytes = self._stream.read1(CHUNK)
            except (OSError, ValueError):
                return b""
            return received

        return await self._run(self._reading, receive)

    async def write(self, data: bytes) -> None:
        def send() -> None:
            with contextlib.suppress(OSError):
                self._socket.sendall(data)

        await self._run(self._writing, send)

    async def resize(self, columns: int, rows: int) -> None:
        def change() -> None:
            # One that ended has no size.
            with contextlib.suppress(APIError):
                self._client.exec_resize(self._exec, height=bounded(rows), width=bounded(columns))

        await self._run(self._writing, change)

    async def found_no_shell(self) -> bool:
        """Of one that ended at once: whether there was nothing to begin it with."""

        def look() -> bool:
            return self._client.exec_inspect(self._exec).get("ExitCode") in _MISSING

        return await self._run(self._writing, look)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._response is not None:
            with contextlib.suppress(OSError, AttributeError):
                # Wakes whoever reads or writes.
                self._socket.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(EngineError):
                await self._run(self._writing, self._end)
            self._response.close()
        for threads in (self._reading, self._writing):
            threads.shutdown(wait=False)
        with contextlib.suppress(OSError, DockerException):
            self._client.close()

    def _end(self) -> None:
        with contextlib.suppress(APIError):
            if self._client.exec_inspect(self._exec)["Running"]:
                made = self._client.exec_create(self._container, ["/bin/sh", "-c", _END, "sh", self._mark])
                self._client.exec_start(made["Id"], detach=True)

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, work)
        except APIError as error:
            words = str(error.explanation or error).lower()
            if any(sign in words for sign in _NO_SHELL) and "exec" in words:
                raise no_shell() from error
            if error.status_code in (404, 409):
                message = "This part of the service does not run now."
                raise EngineError("unit_stopped", message, detail="not_running") from error
            raise EngineError("engine_unavailable", "Docker refused a console.") from error
        except (DockerException, OSError) as error:
            raise EngineError("engine_unavailable", "Docker does not answer.") from error
