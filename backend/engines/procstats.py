"""What process trees use, out of `/proc`: one look at each process serves all units."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    cpu_seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    group: int
    ticks: int
    """Of its own, and of the children that it has waited for."""
    resident: int


def of_trees(roots: Mapping[int, str]) -> dict[str, Usage]:
    """By the root's name: of it, of what descends from it, and of the rest of its process group.

    What an ended child used is in its parent's count. Memory is what is resident; what several
    processes share is counted with each.
    """
    table = _table()
    found: dict[str, tuple[float, int]] = {name: (0.0, 0) for pid, name in roots.items() if pid in table}
    for pid, process in table.items():
        root = _root_of(pid, table, roots)
        if root is None:
            root = process.group if process.group in roots else None
        if root is not None and roots[root] in found:
            seconds, memory = found[roots[root]]
            found[roots[root]] = (seconds + process.ticks / _TICKS, memory + process.resident)
    return {name: Usage(*used) for name, used in found.items()}


def _root_of(pid: int, table: Mapping[int, _Process], roots: Mapping[int, str]) -> int | None:
    while pid > 1 and pid not in roots:
        process = table.get(pid)
        pid = process.parent if process is not None else 0
    return pid if pid in roots else None


def _table() -> dict[int, _Process]:
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        found[int(name)] = _Process(
            parent=int(fields[1]),
            group=int(fields[2]),
            ticks=sum(int(field) for field in fields[11:15]),
            resident=int(fields[21]) * _PAGE,
        )
    return found
