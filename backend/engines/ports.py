"""Finds ports: free ones for units, and those on which an app listens instead of the one it was given."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket
from collections.abc import Collection, Iterable, Mapping

from backend.engines.base import EngineError, Retry

_LISTENING = "0A"


def is_free(port: int) -> bool:
    """Whether anybody may listen on it, on any address of this machine."""
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
    return True


def choose(bounds: tuple[int, int], taken: Collection[int]) -> int:
    """A free port of the range (both ends included). Hold the lock until it is written down."""
    low, high = bounds
    count = high - low + 1
    # Not from the start: a port that was just given up may still be in somebody's keep-alive pool.
    first = random.randrange(count)  # noqa: S311
    for step in range(count):
        port = low + (first + step) % count
        if port not in taken and is_free(port):
            return port
    raise EngineError(
        "engine_unavailable",
        "All ports for apps are in use; this is tried again by itself.",
        retry=Retry.BACKOFF,
        detail="ports_used_up",
    )


def listened(pids: Iterable[int]) -> list[int]:
    """The TCP ports on which these processes listen."""
    return sorted(held({"": pids})[""] or ())


def held(families: Mapping[str, Iterable[int]]) -> dict[str, set[int] | None]:
    """The TCP ports on which each family of processes listens; None where the kernel does not tell us.

    It does not when they run in a user namespace that is not below our own.
    """
    listening = _listening()
    found: dict[str, set[int] | None] = {}
    for name, pids in families.items():
        try:
            found[name] = {listening[inode] for inode in _sockets(pids) if inode in listening}
        except PermissionError:
            found[name] = None
    return found


def _sockets(pids: Iterable[int]) -> set[str]:
    """Inodes. Raises PermissionError when one of the processes may not be looked into."""
    sockets: set[str] = set()
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                    if target.startswith("socket:["):
                        sockets.add(target[8:-1])
    return sockets


def _listening() -> dict[str, int]:
    """Port by the inode of the socket that listens on it."""
    found = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), open(table) as lines:
            for line in lines:
                fields = line.split()
                if len(fields) > 9 and fields[3] == _LISTENING:
                    found[fields[9]] = int(fields[1].rpartition(":")[2], 16)
    return found
