"""The edge's map from host name to release, written whole from the database.

One `map` file and a reload: measured at 0.11 s with 10,000 entries (`docs/decisions/0004-edge.md`).
The file carries its own generation, which the edge repeats at `/edge/generation`, so that we know
when it has taken a map over.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import signal
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from loguru import logger

from backend.config import Settings
from backend.database import Database
from backend.services.dao import ServiceDAO

TAKEN_OVER_WITHIN = 10.0
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""The edge is asked by plain http; reading the authorities' certificates would cost each client 20 ms."""
NOBODY = "127.0.0.1:1"
"""Refuses connections, so the edge says that the service is not answering; no customer may listen there."""


class EdgeDown(Exception):
    """The edge did not take the map over in time."""


class Edge:
    """Publishes routes and asks through them."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._file = settings.edge_routes_file

    async def publish(self) -> None:
        """Write the map as the database has it now and wait until the edge uses it."""
        generation = await self._write()
        async with asyncio.timeout(TAKEN_OVER_WITHIN):
            while await self._generation() != generation:
                await asyncio.sleep(0.01)
                generation = _generation_of(self._file.read_text()) or generation

    async def repair(self) -> bool:
        """Write the map again if it differs from the database; says whether it did."""
        before = self._file.read_text() if self._file.exists() else ""
        generation = await self._write()
        changed = _generation_of(before) != generation
        if changed:
            logger.info("routes repaired")
        return changed

    async def ask(self, name: str, path: str, address: str) -> int | None:
        """The status that a visitor of the service gets through the edge from the release at `address`;
        None without an answer, or when somebody else gave it: the release before, the edge itself."""
        host = urlsplit(self._settings.app_url(name)).netloc
        try:
            async with _client(10) as client:
                answer = await client.get(
                    f"http://{self._settings.edge_address}{path}",
                    headers={"Host": host, "X-Gavan-Check": "1"},
                )
        except httpx.HTTPError:
            return None
        return answer.status_code if answer.headers.get("X-Gavan-Answered-By") == address else None

    async def _generation(self) -> str | None:
        try:
            async with _client(2) as client:
                answer = await client.get(f"http://{self._settings.edge_address}/edge/generation")
        except httpx.HTTPError:
            return None
        return answer.text.strip() if answer.status_code == 200 else None

    async def _write(self) -> str:
        """Under one lock for all workers, so that the last to write has read the newest state."""
        lock = self._file.with_suffix(".lock")
        with _locked_file(lock) as locked:
            # The holder may be another process, so there is no event to wait for.
            while not locked():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            async with self._database.transaction() as session:
                routes = await ServiceDAO(session).routes()
            text = self._render(routes)
            if not self._file.exists() or self._file.read_text() != text:
                _replace(self._file, text)
                self._reload()
        generation = _generation_of(text)
        assert generation is not None
        return generation

    def _render(self, routes: list[tuple[str, str | None]]) -> str:
        lines = [
            f"{urlsplit(self._settings.app_url(name)).hostname} {address or NOBODY};"
            for name, address in routes
        ]
        body = "\n".join(sorted(lines))
        generation = hashlib.sha256(body.encode()).hexdigest()[:16]
        return f"routes.generation {generation};\n{body}\n"

    def _reload(self) -> None:
        try:
            os.kill(int(self._settings.edge_pid_file.read_text()), signal.SIGHUP)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            logger.warning("the edge is down; it reads the routes when it starts")


def _client(timeout: float) -> httpx.AsyncClient:
    """A new connection each time: after a reload, one that is kept still leads to the old edge."""
    return httpx.AsyncClient(trust_env=False, timeout=timeout, verify=_NO_AUTHORITIES)


def _generation_of(text: str) -> str | None:
    first = text.partition("\n")[0]
    return first.removeprefix("routes.generation ").rstrip(";") if first.startswith("routes.") else None


def _replace(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.part")
    temporary.write_text(text)
    temporary.replace(path)


@contextmanager
def _locked_file(path: Path) -> Iterator[Callable[[], bool]]:
    """Yields a function that tries to take the lock once; it is released at the end."""
    with path.open("a") as file:

        def locked() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        yield locked
