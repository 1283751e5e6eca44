"""Ports for one pytest worker alone, so that two tests at once never want the same."""

from __future__ import annotations

import os

from embedded.settings import free_port

WORKERS = 32
# Below what the kernel gives to outgoing connections, which would be in the way too.
_EDGE, _APPS = range(12_000, 20_000), range(20_000, 30_000)


def _own(ports: range) -> range:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    count = len(ports) // WORKERS
    return ports[worker * count : (worker + 1) * count]


# Two runs at once begin at different places.
_last = os.getpid()


def edge_port() -> int:
    """Another one each time, until all have been given: whoever asks twice may listen only later."""
    global _last
    # Not near the end: the next free one is taken.
    own = _own(_EDGE)[:-20]
    _last = free_port("127.0.0.1", own[(_last + 1 - own[0]) % len(own)])
    return _last


def app_ports() -> tuple[int, int]:
    """The first and the last."""
    own = _own(_APPS)
    return own[0], own[-1]
