"""Looks into containers' network namespaces: what listens there.

Docker's proxy takes connections whether the app listens or not, so a connection proves nothing. The
kernel's own table of a process's namespace does, where the container runs on this machine.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

_LISTENING = "0A"
_LOOPBACK_V6 = "00000000000000000000000001000000"
_MAPPED_LOOPBACK = "0000000000000000FFFF0000"
_DOCKERS_RESOLVER = "0B00007F"
"""127.0.0.11"""


def listeners(pid: int, container_id: str) -> list[tuple[int, bool]] | None:
    """Ports with whether they are heard from outside the container; None where we cannot look."""
    try:
        if container_id not in Path(f"/proc/{pid}/cgroup").read_text():
            return None
        tables = [Path(f"/proc/{pid}/net/tcp").read_text()]
    except OSError:
        return None
    with contextlib.suppress(OSError):
        tables.append(Path(f"/proc/{pid}/net/tcp6").read_text())
    found = set()
    for line in "\n".join(tables).splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[3] == _LISTENING:
            address, _, port = fields[1].rpartition(":")
            if address != _DOCKERS_RESOLVER:
                found.add((int(port, 16), not _is_loopback(address)))
    return sorted(found)


def _is_loopback(address: str) -> bool:
    """Hexadecimal, each four bytes of it in this machine's (little-endian) order."""
    return address == _LOOPBACK_V6 or address.removeprefix(_MAPPED_LOOPBACK)[6:] == "7F"


def hears(found: list[tuple[int, bool]] | None, port: int) -> bool | None:
    return None if found is None else (port, True) in found


def elsewhere(found: list[tuple[int, bool]] | None) -> list[str]:
    """For people: where the app listens instead."""
    return [str(port) if outside else f"127.0.0.1:{port}" for port, outside in found or ()]
