"""Ways to ask a unit whether it serves. HTTP/1.1 by hand: a client library costs more than the question."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from backend.engines.base import CheckSpec, HealthKind, Unit
from backend.engines.errors import Parameters

ANSWER_TIMEOUT = 10.0
LAST_TIMEOUT = 1.0
"""Of the question at the end of the check: less would judge how busy this machine is."""

Run = Callable[[Unit, str, float], Awaitable[int]]
"""Runs a command inside a unit for at most so many seconds: its exit status, or TimeoutError; OSError while
the unit is not there yet."""


def fit(path: str, status: int) -> bool:
    """Whether this answer shows that the app serves.

    A path that somebody chose has to be found; an app without a page at `/` serves all the same.
    """
    return status < (500 if path == "/" else 400)


class Bad(Exception):
    """It is there, but does not answer as it should: in words, and the name of their translation."""

    def __init__(self, words: str, because: str, **values: str | int) -> None:
        super().__init__(words)
        self.because = because
        self.values: Parameters = values


@dataclass(frozen=True, slots=True)
class Answer:
    words: str
    note: str = ""


class Probe(ABC):
    name: str
    """As `GET /health`."""
    parameters: Parameters
    """Of the sentence that says that it failed."""
    patience = ANSWER_TIMEOUT

    @abstractmethod
    async def ask(self, unit: Unit) -> Answer:
        """Raises `Bad`, or OSError when nothing listens."""


def probe_of(spec: CheckSpec, run: Run) -> Probe:
    if spec.health is HealthKind.TCP:
        return _Tcp()
    if spec.health is HealthKind.COMMAND:
        return _Command(spec.health_command, run)
    return _Http(spec.health_path)


class _Http(Probe):
    def __init__(self, path: str) -> None:
        self._path = _request_path(path)
        self.name = f"GET {self._path}"
        self.parameters = {"path": self._path}

    async def ask(self, unit: Unit) -> Answer:
        status = await ask(unit.address, self._path)
        if not fit(self._path, status):
            raise Bad(f"it answers {status}", "answers_status", status=status)
        note = "The app serves, but has no such page; name one to be checked." if status >= 400 else ""
        return Answer(f"answered {status}", note)


class _Tcp(Probe):
    def __init__(self) -> None:
        self.name = "Its port"
        self.parameters = {"detail": "tcp"}

    async def ask(self, unit: Unit) -> Answer:
        host, _, port = unit.address.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return Answer("takes connections")


class _Command(Probe):
    def __init__(self, command: str, run: Run) -> None:
        self._command, self._run = command, run
        self.name = f"`{command}`"
        self.parameters = {"detail": "command", "command": command}

    async def ask(self, unit: Unit) -> Answer:
        if unit.pid is None:
            # Not there yet.
            raise ConnectionRefusedError
        status = await self._run(unit, self._command, self.patience)
        if status != 0:
            raise Bad(f"it ended with exit status {status}", "check_exit", exit_status=status)
        return Answer("ended with exit status 0")


def _closes() -> Bad:
    return Bad("it closes the connection without an answer", "closes_connection")


async def ask(address: str, path: str) -> int:
    """The status of one GET. Raises `Bad`, or OSError when nothing listens."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        head = (f"GET {path} HTTP/1.1", f"Host: {address}", "User-Agent: gavan-health", "Accept: */*")
        writer.write("\r\n".join([*head, "Connection: close", "", ""]).encode())
        await writer.drain()
        line = (await reader.readline()).split(None, 2)
    except (ConnectionError, ValueError):
        raise _closes() from None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if len(line) < 2 or not line[0].startswith(b"HTTP/") or not line[1].isdigit():
        raise Bad("its answer is not HTTP", "not_http") if line else _closes()
    return int(line[1])


def _request_path(path: str) -> str:
    """What may stand in a request line; anything else was refused long before."""
    clean = "".join(sign for sign in path if "!" <= sign <= "~")
    return clean if clean.startswith("/") else "/" + clean
