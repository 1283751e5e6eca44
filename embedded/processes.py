"""Processes as the kernel knows them: identity beyond a reused pid, groups, and ending them for sure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

POLL = 0.02
MAPPED_ID = "65534"


@dataclass(frozen=True)
class Process:
    pid: int
    group: int
    started: str
    """Clock ticks since boot: with the pid it names one process for as long as the machine runs."""


def find(pid: int) -> Process | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else Process(pid, int(fields[2]), fields[19])


def everything() -> Iterator[Process]:
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (process := find(int(entry))):
            yield process


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def record(path: Path, pid: int) -> None:
    """Write down who `pid` is; the file's first word stays a plain pid for people and nginx-style tools."""
    process = find(pid)
    if process:
        path.write_text(f"{pid} {process.started} {boot_id()}\n")


def leader(path: Path) -> Process | None:
    """The recorded process, if it still runs and is the same one."""
    recorded = _recorded(path)
    found = find(recorded.pid) if recorded else None
    return found if found and recorded and found.started == recorded.started else None


def members(path: Path) -> list[Process]:
    """What is left of the recorded process's group.

    The kernel gives no new process the number of a group that still has members, so when the recorded
    leader is gone and nobody else has its pid, the group is still ours.
    """
    recorded = _recorded(path)
    if recorded is None:
        return []
    now = find(recorded.pid)
    if now and now.started != recorded.started:
        return []
    return [process for process in everything() if process.group == recorded.pid or process == now]


def end(processes: Iterable[Process], first: signal.Signals, grace: float) -> None:
    """Send `first`, wait up to `grace` seconds, then SIGKILL what is left."""
    left = list(processes)
    for number, patience in ((first, grace), (signal.SIGKILL, 5.0)):
        for process in left:
            send(process, number)
        deadline = time.monotonic() + patience
        while (left := [p for p in left if alive(p)]) and time.monotonic() < deadline:
            time.sleep(POLL)
        if not left:
            return


def alive(process: Process) -> bool:
    now = find(process.pid)
    return now is not None and now.started == process.started


def send(process: Process, number: signal.Signals) -> None:
    if alive(process):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def unprivileged() -> list[str]:
    """Prefix for commands that refuse to run as root.

    A user namespace keeps the files reachable (the home may be closed to other users), while the euid inside
    is not 0 and no capability on the host is left.
    """
    if os.geteuid() != 0:
        return []
    return ["unshare", "--user", f"--map-user={MAPPED_ID}", f"--map-group={MAPPED_ID}", "--"]


def can_run_unprivileged() -> bool:
    command = [*unprivileged(), sys.executable, "-c", ""]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _recorded(path: Path) -> Process | None:
    try:
        pid, started, boot = path.read_text().split()
        return Process(int(pid), int(pid), started) if boot == boot_id() else None
    except (OSError, ValueError):
        return None
