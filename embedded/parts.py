"""The programs that make up the embedded panel, and how each is started and asked to end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from embedded import edge, postgres, redis
from embedded.layout import Layout

Environment = Mapping[str, str]


@dataclass(frozen=True)
class Part:
    name: str
    command: Callable[[Layout, Environment], list[str]]
    backing: bool = False
    """Serves the others and has none of the panel's own code: a change of that leaves it alone."""
    reads: tuple[str, ...] | None = None
    """Names of `.env` in its environment, None for all: what is close to customers holds no other's key."""
    engine: str | None = None
    """The value of ENGINE that it belongs to; None for any."""
    adopts: bool = False
    """A survivor of a killed supervisor is kept, because customers' services hang on it."""
    stop: signal.Signals = signal.SIGTERM
    grace: int = 10
    """Seconds between the stop signal and SIGKILL."""


def _python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def _api(layout: Layout, env: Environment) -> list[str]:
    return _python(
        *("uvicorn", "backend.main:create_app", "--factory", "--uds", str(layout.api_socket)),
        *("--no-access-log", "--no-server-header", "--no-proxy-headers"),
        # Open event streams must not hold up a restart.
        *("--timeout-graceful-shutdown", "3"),
        # A console's messages are small; before its ticket anybody may send one.
        *("--ws-max-size", "65536"),
    )


def _workers(layout: Layout, env: Environment) -> list[str]:
    return _python("backend.celery.crew", "--schedule", str(layout.run / "beat"))


def _apps(layout: Layout, env: Environment) -> list[str]:
    return _python("supervisor.supervisord", "--silent", "-c", str(layout.engine / "supervisord.conf"))


PARTS = (
    Part(
        "postgres",
        lambda layout, env: postgres.command(layout.postgres_data, layout.run),
        backing=True,
        reads=(),
        stop=signal.SIGINT,
        grace=20,
    ),
    Part("redis", lambda layout, env: redis.command(layout.redis_socket), backing=True, reads=()),
    Part(
        "apps",
        _apps,
        backing=True,
        reads=("ENGINE_SECRET",),
        engine="process",
        adopts=True,
        grace=40,
    ),
    Part(
        "edge",
        lambda layout, env: edge.command(layout),
        backing=True,
        reads=(),
        stop=signal.SIGQUIT,
        grace=2,
    ),
    Part("api", _api),
    Part("workers", _workers),
)
BY_NAME = {part.name: part for part in PARTS}


def parts_of(env: Environment) -> list[Part]:
    """The parts of an installation with these settings."""
    return [part for part in PARTS if part.engine in (None, env.get("ENGINE", "process"))]
