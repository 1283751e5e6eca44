"""A release's output in the files that `unitlog` reads, appended so that no crash loses or doubles a line.

What was appended counts once the state file beside it says so: the uncounted rest is cut off and comes
again from Docker. Use it under the lock of its folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from backend.engines import unitlog
from backend.engines.layout import read_json
from backend.engines.sealed import write_atomically

COMMIT_BYTES = 2**20
CONTAINERS_KEPT = 20
"""Whose positions are remembered: Swarm keeps five containers that ended."""


class Spool:
    def __init__(self, folder: Path, deployment_id: str, unit: str = "web.1") -> None:
        self._path = unitlog.log_file(folder, deployment_id, unit)
        self._state_path = self._path.with_suffix(".json")
        self._file: BinaryIO
        self._positions: dict[str, dict[str, Any]] = {}
        self._uncommitted = 0

    def __enter__(self) -> Self:
        state = read_json(self._state_path)
        self._positions = state["containers"] if state else {}
        self._file = self._path.open("ab")
        if state and state["inode"] == os.fstat(self._file.fileno()).st_ino:
            self._file.truncate(min(state["size"], self._file.tell()))
        self._commit()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def position(self, container_id: str) -> str:
        """The time of the last line that is kept; empty for none."""
        return str(self._positions.get(container_id, {}).get("at", ""))

    def is_over(self, container_id: str) -> bool:
        """Whether all is kept that the container ever printed."""
        return bool(self._positions.get(container_id, {}).get("over"))

    def append(self, container_id: str, frames: Iterable[bytes], *, over: bool) -> None:
        """Each frame is `<time> <text>`: a line, or with its end missing a piece of a long one.

        Frames up to the position were kept before. `over` says that nothing will come after them.
        """
        kept, at, pending = self.position(container_id), "", b""
        for frame in frames:
            stamp, _, text = frame.partition(b" ")
            at = stamp.decode("ascii", "replace")
            if at <= kept:
                continue
            pending += text
            if text.endswith(b"\n"):
                self._write(container_id, pending, at)
                pending = b""
        if pending and over:
            self._write(container_id, pending + b"\n", at)
        if over:
            self._positions.setdefault(container_id, {})["over"] = True
        self._commit()

    def _write(self, container_id: str, line: bytes, at: str) -> None:
        self._file.write(line)
        self._positions.setdefault(container_id, {})["at"] = at
        self._uncommitted += len(line)
        if self._uncommitted >= COMMIT_BYTES:
            self._commit()

    def _commit(self) -> None:
        self._file.flush()
        self._uncommitted = 0
        if self._file.tell() >= unitlog.ROTATE_BYTES:
            self._write_state()
            self._rotate()
        self._write_state()

    def _write_state(self) -> None:
        kept = dict(list(self._positions.items())[-CONTAINERS_KEPT:])
        info = os.fstat(self._file.fileno())
        state = {"inode": info.st_ino, "size": info.st_size, "containers": kept}
        write_atomically(self._state_path, json.dumps(state).encode(), durable=False)

    def _rotate(self) -> None:
        self._file.close()
        for number in range(unitlog.ROTATE_FILES - 1, -1, -1):
            old = Path(f"{self._path}.{number}") if number else self._path
            if old.exists():
                old.replace(f"{self._path}.{number + 1}")
        self._file = self._path.open("ab")


def prune(folder: Path, keep: set[str]) -> None:
    """As `unitlog.prune`, with the state files."""
    unitlog.prune(folder, keep)
    for state in folder.glob("*.json"):
        if not state.with_suffix(".log").exists():
            state.unlink(missing_ok=True)
