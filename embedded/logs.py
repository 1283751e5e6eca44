"""The parts' log files: their last lines, and what is added while one looks on."""

from __future__ import annotations

import os
import time
from pathlib import Path

from embedded import processes
from embedded.console import say
from embedded.layout import Layout

BLOCK = 64 * 1024
POLL_SECONDS = 0.3


def files(layout: Layout, name: str) -> list[Path]:
    """Where a part writes; the supervisor of customers' services keeps a log of its own."""
    if name == "apps":
        return [layout.log / "apps.log", layout.log / "apps.out", layout.engine / "supervisord.log"]
    return [layout.log / f"{name}.log"]


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a file, out of its last 64 KiB; none when there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - BLOCK))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def show(layout: Layout, names: list[str], lines: int, *, follow: bool) -> None:
    """Print the last `lines` of each part, then (`follow`) everything new until interrupted."""
    width = max(map(len, names))
    if not any(processes.leader(layout.run / f"{name}.pid") for name in names):
        what = "Nothing runs" if len(names) > 1 else f"{names[0]} does not run"
        say(f"{what}; start it with make up. What was logged before:")
    seen: dict[Path, int] = {}
    watched = [(name, path) for name in names for path in files(layout, name)]
    for name, path in watched:
        seen[path] = path.stat().st_size if path.exists() else 0
        for line in tail(path, lines):
            say(f"{name:<{width}} | {line}")
    while follow:
        time.sleep(POLL_SECONDS)
        for name, path in watched:
            for line in _added(path, seen):
                say(f"{name:<{width}} | {line}")


def _added(path: Path, seen: dict[Path, int]) -> list[str]:
    size = path.stat().st_size if path.exists() else 0
    start = seen[path] if size >= seen[path] else 0
    seen[path] = size
    if size == start:
        return []
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size - start).decode(errors="replace").splitlines()
