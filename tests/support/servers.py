"""PostgreSQL and Redis of their own for one test run, on unix sockets in a temporary directory."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import asyncpg
from alembic import command as alembic
from alembic.config import Config

from embedded import postgres, redis
from embedded.processes import unprivileged
from tests.support import reaper

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "only-for-this-run"
TEMPLATE = "template_gavan"
# Lost on a power cut, and only then; the tests are several times as fast.
UNSAFE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "400",
    # It may be in memory.
    "max_wal_size": "256MB",
}
REDIS_DATABASES = 256
MEMORY = Path("/dev/shm")
ENOUGH = 8 * 2**30
"""Bytes free, of memory and of what may be files in it, for the servers' files to be there."""


def _place() -> str | None:
    """In memory a database is copied in a tenth of the time; None for the usual place."""
    try:
        pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return str(MEMORY) if min(pages, shutil.disk_usage(MEMORY).free) >= ENOUGH else None
    except (OSError, ValueError):
        return None


def postgres_url(directory: Path, database: str) -> str:
    return f"postgresql://{postgres.USER}:{PASSWORD}@/{database}?host={directory}"


def redis_url(directory: Path, database: int = 0) -> str:
    return f"unix://{directory}/redis.sock?db={database}"


class Servers:
    """Started by whoever owns the run (the xdist controller, or the only process)."""

    def __init__(self) -> None:
        # Directly below the temporary directory: a socket's path holds about 100 characters.
        self.directory = Path(tempfile.mkdtemp(prefix="gavan-", dir=_place()))
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        reaper.watch(self.directory)
        data = self.directory / "postgres"
        postgres.initialise(data, PASSWORD)
        options = [part for name, value in UNSAFE.items() for part in ("-c", f"{name}={value}")]
        self._spawn("postgres", [*postgres.command(data, self.directory), *options])
        socket = self.directory / "redis.sock"
        self._spawn("redis", [*redis.command(socket), "--databases", str(REDIS_DATABASES)])
        asyncio.run(self._create_template())
        config = Config(ROOT / "alembic.ini")
        config.attributes["url"] = postgres_url(self.directory, TEMPLATE).replace(
            "postgresql://", "postgresql+asyncpg://"
        )
        alembic.upgrade(config, "head")

    def stop(self) -> None:
        for process in self._processes:
            # To PostgreSQL this means: disconnect everybody and end at once.
            process.send_signal(signal.SIGINT)
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _spawn(self, name: str, command: list[str]) -> None:
        with (self.directory / f"{name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen([*unprivileged(), *command], stdout=log, stderr=log, start_new_session=True)
            )

    async def _create_template(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                connection = await asyncpg.connect(postgres_url(self.directory, "postgres"))
                break
            except (OSError, asyncpg.CannotConnectNowError):
                if time.monotonic() > deadline or any(p.poll() is not None for p in self._processes):
                    raise
                await asyncio.sleep(0.05)
        await connection.execute(f"CREATE DATABASE {TEMPLATE}")
        await connection.close()
