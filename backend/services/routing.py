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
import re
import signal
import ssl
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from loguru import logger
from sqlalchemy import Row

from backend.config import Settings
from backend.database import Database
from backend.domains.dao import DomainDAO
from backend.ports import edgeports
from backend.ports.dao import PortDAO
from backend.services.dao import ServiceDAO
from backend.utils.crypto import edge_check

TAKEN_OVER_WITHIN = 10.0
GROUP = "units-"
"""Before a service's name: what its upstream block is called. Not its addresses', so that a map of before
still finds the block after its units were others."""
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""The edge is asked by plain http; reading the authorities' certificates would cost each client 20 ms."""
NOBODY = "127.0.0.1:1"
"""Refuses connections, so the edge says that the service is not answering; no customer may listen there."""


class Edge:
    """Publishes routes and asks through them."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._file = settings.edge_routes_file
        self._check = edge_check(settings.master_key)

    async def publish(self) -> None:
        """Write the map as the database has it now and wait until the edge leads every visitor by it.

        One at a time over all processes: what waits here finds its own change in the map of whoever
        went before. Raises TimeoutError after TAKEN_OVER_WITHIN seconds.
        """
        async with asyncio.timeout(TAKEN_OVER_WITHIN), _turn(self._file.with_suffix(".lock")):
            generation = await self._write()
            # What is waited for happens in another process, so there is no event.
            while not await self._uses(generation):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def repair(self) -> None:
        """Have an edge that is up use the map as the database has it; one that starts reads it anyway."""
        with suppress(TimeoutError):
            async with asyncio.timeout(TAKEN_OVER_WITHIN), _turn(self._file.with_suffix(".lock")):
                await self._uses(await self._write())

    async def ask(self, name: str, path: str, addresses: Collection[str]) -> int | None:
        """The status that a visitor of the service gets through the edge from the release at `addresses`;
        None without an answer, or when somebody else gave it: the release before, the edge itself."""
        host = urlsplit(self._settings.app_url(name)).netloc
        try:
            async with _client(10) as client:
                answer = await client.get(
                    f"http://{self._settings.edge_address}{path}",
                    headers={"Host": host, "X-Gavan-Check": self._check},
                )
        except httpx.HTTPError:
            return None
        # Whom it asked in vain is named before.
        answered_by = answer.headers.get("X-Gavan-Answered-By", "").rpartition(", ")[2]
        return answer.status_code if answered_by in addresses else None

    async def _write(self) -> str:
        async with self._database.transaction() as session:
            routes = await ServiceDAO(session).routes()
            domains = await DomainDAO(session).routed()
            opened = await PortDAO(session).open()
        secured = _render_domains(domains)
        present = self._settings.edge_streams_file
        told = present.read_text() if present.exists() else ""
        streams = edgeports.render(self._settings, opened, dict(routes), told)
        generation, text, groups = self._render(routes, domains, f"{secured}\n{streams}")
        # The routes last: they hold the generation, so who has it has the domains too.
        upstreams = self._settings.edge_upstreams_file
        for file, content in (
            (self._settings.edge_domains_file, secured),
            (upstreams, groups),
            (present, streams),
            (self._file, text),
        ):
            if not file.exists() or file.read_text() != content:
                _replace(file, content)
        return generation

    async def _uses(self, generation: str) -> bool:
        """Whether the edge uses this generation. If not, it is made to read the map, and awaited.

        For a tenth of a second after a reload nginx's workers of before still accept visitors beside
        the new ones. They stop listening before they close what is idle: so one idle connection tells.
        """
        host = self._settings.edge_address
        name, _, port = host.rpartition(":")
        try:
            reader, writer = await asyncio.open_connection(name.strip("[]"), int(port))
        except OSError:
            return False
        try:
            writer.write(f"GET /edge/generation HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            used = await reader.readexactly(int(length[1])) if length else b""
            if used.decode().strip() == generation:
                return True
            self._reload()
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
        return False

    def _render(
        self, routes: Sequence[tuple[str, Sequence[str]]], domains: Sequence[Row[Any]], beside: str
    ) -> tuple[str, str, str]:
        """Generation, map and upstream blocks."""
        ways = {name: _way(name, addresses) for name, addresses in routes}
        lines = [f"{urlsplit(self._settings.app_url(name)).hostname} {way};" for name, way in ways.items()]
        lines += [f"{row.name} {ways[row.service]};" for row in domains if row.service in ways]
        body = "\n".join(sorted(lines))
        groups = "".join(_upstream(name, found) for name, found in sorted(routes) if len(found) > 1)
        generation = hashlib.sha256(f"{body}\n{beside}\n{groups}".encode()).hexdigest()[:16]
        return generation, f"routes.generation {generation};\n{body}\n", groups

    def _reload(self) -> None:
        try:
            os.kill(int(self._settings.edge_pid_file.read_text()), signal.SIGHUP)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            logger.warning("the edge is down; it reads the routes when it starts")


def _way(name: str, addresses: Sequence[str]) -> str:
    """The value of a host in the map: an address, or the name of the block that has several."""
    return f"{GROUP}{name}" if len(addresses) > 1 else next(iter(addresses), NOBODY)


def _upstream(name: str, addresses: Sequence[str]) -> str:
    """Round robin; who does not answer is left out for some seconds, and the next one asked."""
    servers = "".join(f" server {address} max_fails=1 fail_timeout=5s;" for address in addresses)
    return f"upstream {GROUP}{name} {{{servers} }}\n"


def _render_domains(domains: Sequence[Row[Any]]) -> str:
    """`www.example.org "<id> <1 if http is led to https> <1 for HSTS>";` of what has a certificate."""
    lines = [
        f'{row.name} "{row.id} {int(row.https_redirect)} {int(row.hsts)}";'
        for row in domains
        if row.certified
    ]
    return "".join(f"{line}\n" for line in sorted(lines))


def _client(timeout: float) -> httpx.AsyncClient:
    """A new connection each time: after a reload, one that is kept still leads to the old edge."""
    return httpx.AsyncClient(trust_env=False, timeout=timeout, verify=_NO_AUTHORITIES)


def _replace(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.part")
    temporary.write_text(text)
    temporary.replace(path)


@asynccontextmanager
async def _turn(path: Path) -> AsyncIterator[None]:
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # The holder may be another process, so there is no event to wait for.
                await asyncio.sleep(0.01)
        yield
