"""What a killed supervisor leaves behind: its children live on, and are known by their pid files."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from backend.engines.processes import end_leftovers as end_unit
from embedded import processes
from embedded.layout import Layout
from embedded.parts import Part

PATIENCE = 5.0
"""Seconds a leftover gets to end by itself, unless customers' services hang on it."""


def pid_file(layout: Layout, part: Part) -> Path:
    return layout.run / f"{part.name}.pid"


def end(layout: Layout, part: Part) -> None:
    """End the part's recorded process first, in its own way, then whatever is left of its group."""
    path = pid_file(layout, part)
    if first := processes.leader(path):
        processes.end([first], part.stop, part.grace if part.adopts else min(part.grace, PATIENCE))
    processes.end(processes.members(path), signal.SIGTERM, 2)


def end_all(layout: Layout, parts: Iterable[Part]) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda part: end(layout, part), parts))


def end_customers(layout: Layout) -> None:
    """End the units and builds of this checkout that outlived their supervisor."""
    deployments = layout.engine / "deployments"
    for folder in deployments.iterdir() if deployments.is_dir() else ():
        unit: dict[str, int] = {}
        with suppress(OSError, ValueError):  # one that never started has no status
            unit = json.loads((folder / "unit" / "status").read_text().partition("\n")[0])
        end_unit(f"unit:{folder.name}", unit.get("pid"), unit.get("ticks"), grace=5)
        end_unit(f"build:{folder.name}", None, None)
