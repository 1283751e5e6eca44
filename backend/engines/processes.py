"""Finding and ending processes that an earlier life of the panel left behind (Linux `/proc`).

A process counts as ours by a marker in the environment it was started with, or by the process
group that was written down together with its leader's start time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping

MARKER = "GAVAN_WORK"
"""`<kind>:<deployment id>@<instance>` in the environment of whatever the engine starts."""


def mark(kind: str, deployment_id: str, instance: str) -> str:
    """The marker of what `instance`, one installation on this machine, started."""
    return f"{kind}:{deployment_id}@{instance}"


def start_ticks(pid: int) -> int | None:
    """When the process began, in clock ticks since boot: tells a reused pid from the old one."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def _stat(pid: int) -> list[bytes] | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except (OSError, ValueError):
        return None


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def marked(matches: Callable[[str], bool]) -> list[int]:
    """Processes, zombies left out, whose marker satisfies `matches`; never this one."""
    return [pid for pid, mark in marks().items() if pid != os.getpid() and matches(mark)]


def marks() -> dict[int, str]:
    """The marker of each process that has one."""
    prefix = MARKER.encode() + b"="
    found = {}
    for pid in _pids():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                variables = file.read().split(b"\0")
        except OSError:
            continue
        for variable in variables:
            if variable.startswith(prefix):
                found[pid] = variable[len(prefix) :].decode(errors="replace")
                break
    return found


def families(roots: Mapping[int, str]) -> dict[str, set[int]]:
    """By the root's name: it and all that descend from it, whatever environment they gave themselves."""
    parents = {pid: int(fields[1]) for pid in _pids() if (fields := _stat(pid))}
    found: dict[str, set[int]] = {name: {pid} for pid, name in roots.items()}
    for pid in parents:
        ancestor = pid
        while ancestor > 1 and ancestor not in roots:
            ancestor = parents.get(ancestor, 0)
        if ancestor in roots:
            found[roots[ancestor]].add(pid)
    return found


def group_members(group: int) -> list[int]:
    members = []
    for pid in _pids():
        fields = _stat(pid)
        if fields and fields[0] != b"Z" and int(fields[2]) == group:
            members.append(pid)
    return members


def end_leftovers(marker: str, group: int | None, ticks: int | None, *, grace: float = 0.0) -> int:
    """End what carries `marker`, or belongs to the group whose leader began at `ticks`. Returns how many.

    A group outlives its leader, and its number is not given away while it does; a leader with
    another start time means that the number was reused, so that group is left alone.
    """

    def present() -> set[int]:
        found = set(marked(lambda value: value == marker))
        if group is not None:
            leader = start_ticks(group)
            if leader is None or leader == ticks:
                found.update(group_members(group))
        return found - {os.getpid()}

    first = victims = present()
    if victims and grace:
        _signal(victims, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while (victims := present()) and time.monotonic() < deadline:
            time.sleep(0.02)
    deadline = time.monotonic() + 5
    while victims and time.monotonic() < deadline:
        _signal(victims, signal.SIGKILL)
        time.sleep(0.01)
        victims = present()
    return len(first)


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
