"""One request to a forge: to a vetted address only, bounded in time and size, never behind a redirect."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from backend.config import Settings
from backend.engines.addresses import Allowed, parse_remote, system_resolver
from backend.engines.errors import EngineError
from backend.engines.gitguard import check_secrecy
from backend.engines.guardedhttp import Encrypted, Plain, trust
from backend.statuses.forges import Asked

SECONDS = 20.0
LONGEST = 256 * 1024
"""Bytes of an answer that are read."""


class Unspoken(Exception):
    """Nobody answered, or nobody may be asked: a stable code, and whether it is worth another try."""

    def __init__(self, code: str, *, again: bool) -> None:
        super().__init__(code)
        self.code, self.again = code, again


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    retry_after: int | None
    exhausted: bool
    """Whether it says that too much was asked of late."""
    body: Any = None


async def speak(settings: Settings, asked: Asked) -> Answer:
    """Raises `Unspoken`."""
    allowed = Allowed.parse(settings.git_allowed_private)
    try:
        remote = parse_remote(asked.url)
        check_secrecy(remote, allowed)
    except EngineError as error:
        raise Unspoken("address_forbidden", again=False) from error
    connection: Plain
    if remote.scheme == "https":
        connection = Encrypted(remote.host, remote.port, allowed, system_resolver, trust())
    else:
        connection = Plain(remote.host, remote.port, allowed, system_resolver)
    given_up = threading.Event()
    try:
        async with asyncio.timeout(SECONDS):
            return await asyncio.to_thread(_exchange, connection, asked, given_up)
    except TimeoutError:
        raise Unspoken("timed_out", again=True) from None
    except EngineError as error:
        refused = error.code == "source_forbidden"
        raise Unspoken("address_forbidden" if refused else "unreachable", again=not refused) from None
    except ssl.SSLCertVerificationError:
        raise Unspoken("certificate", again=True) from None
    except (OSError, http.client.HTTPException):
        raise Unspoken("unreachable", again=True) from None
    finally:
        given_up.set()
        _cut(connection)


def _exchange(connection: Plain, asked: Asked, given_up: threading.Event) -> Answer:
    parts = urlsplit(asked.url)
    connection.connect()
    if given_up.is_set():
        # It must not be said after what comes next.
        raise ConnectionAbortedError
    body = orjson.dumps(asked.body) if asked.body is not None else None
    connection.request(asked.method, parts.path or "/", body, dict(asked.headers))
    response = connection.getresponse()
    text = response.read(LONGEST)
    waits = response.headers.get("Retry-After", "")
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        read = None
    return Answer(
        response.status,
        int(waits[:6]) if waits.isascii() and waits.isdecimal() else None,
        response.headers.get("X-RateLimit-Remaining") == "0",
        read,
    )


def _cut(connection: Plain) -> None:
    """Also under a thread that still waits for an answer: what it sent must not arrive after the next."""
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
