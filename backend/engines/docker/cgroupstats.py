"""What containers of this machine use: read from their cgroups, for asking the daemon takes a second each."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_NO_LIMIT = 2**60
"""Above it, v1's number for none."""


@dataclass(frozen=True, slots=True)
class Usage:
    cpu_seconds: float
    memory_bytes: int
    memory_limit: int | None
    received_bytes: int | None
    sent_bytes: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one container, for as long as it lives."""

    pid: int
    cpu: Path
    memory: Path
    unified: bool


def place_of(pid: int, container_id: str) -> Place | None:
    """None for a container that is not of this machine, or that this process may not see."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return None
    paths: dict[str, str] = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    for controller, wanted in (("cpuacct", True), ("", False)):
        path = paths.get(controller, "")
        if container_id not in path:
            continue
        if wanted and container_id in paths.get("memory", ""):
            cpu, memory = _mounted("cpuacct", path), _mounted("memory", paths["memory"])
            if (cpu / "cpuacct.usage").exists() and (memory / "memory.usage_in_bytes").exists():
                return Place(pid, cpu, memory, unified=False)
        folder = ROOT / path.lstrip("/")
        if not wanted and (folder / "cpu.stat").exists() and (folder / "memory.current").exists():
            return Place(pid, folder, folder, unified=True)
    return None


def _mounted(controller: str, path: str) -> Path:
    joined = ROOT / "cpu,cpuacct"
    top = joined if controller == "cpuacct" and joined.is_dir() else ROOT / controller
    return top / path.lstrip("/")


def read(place: Place) -> Usage | None:
    """None once the container has ended."""
    try:
        cpu, memory, limit = _unified(place) if place.unified else _divided(place)
    except (OSError, ValueError, KeyError):
        return None
    received, sent = _network(place.pid)
    return Usage(cpu, memory, limit, received, sent)


def _unified(place: Place) -> tuple[float, int, int | None]:
    usage = _table(place.cpu / "cpu.stat")["usage_usec"] / 1e6
    current = int((place.memory / "memory.current").read_text())
    idle = _table(place.memory / "memory.stat").get("inactive_file", 0)
    most = (place.memory / "memory.max").read_text().strip()
    return usage, max(0, current - idle), None if most == "max" else int(most)


def _divided(place: Place) -> tuple[float, int, int | None]:
    usage = int((place.cpu / "cpuacct.usage").read_text()) / 1e9
    current = int((place.memory / "memory.usage_in_bytes").read_text())
    idle = _table(place.memory / "memory.stat").get("total_inactive_file", 0)
    most = int((place.memory / "memory.limit_in_bytes").read_text())
    return usage, max(0, current - idle), most if most < _NO_LIMIT else None


def _table(path: Path) -> dict[str, int]:
    found = {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition(" ")
        with contextlib.suppress(ValueError):
            found[name] = int(value)
    return found


def _network(pid: int) -> tuple[int | None, int | None]:
    """Of all interfaces inside but the loopback."""
    try:
        lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    except OSError:
        return None, None
    received = sent = 0
    for line in lines:
        name, _, rest = line.partition(":")
        fields = rest.split()
        if name.strip() != "lo" and len(fields) > 8:
            received += int(fields[0])
            sent += int(fields[8])
    return received, sent
