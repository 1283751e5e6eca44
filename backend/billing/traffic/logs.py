"""The edge's traffic log on the disk: read from where it was counted to, and put away when it is long.

Every writer is the edge. Who counts renames the file and has the edge open a new one, and removes what it
renamed once all of it is counted and nobody has written to it for a while; so the disk does not fill.
"""

from __future__ import annotations

import hashlib
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import time, time_ns

from loguru import logger

LONGEST = 16 * 2**20
"""From that many bytes on a file is put away."""
QUIET_SECONDS = 300
"""For so long nobody may have written to a file that is removed: an edge that is being replaced may yet."""
AT_ONCE = 4 * 2**20
_FIRST = 4096
"""No line is longer."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines, and where the next one begins."""

    lines: list[bytes]
    through: int


def files(log: Path) -> list[Path]:
    """Those that were put away, oldest first, and the one that is written to."""
    away = sorted(log.parent.glob(f"{log.name}.*")) if log.parent.is_dir() else []
    return [*away, *([log] if log.exists() else [])]


def digest_of(path: Path) -> str | None:
    """What tells the file from others: its first line. None while it has none, or is gone."""
    try:
        with path.open("rb") as file:
            head = file.read(_FIRST)
    except FileNotFoundError:
        return None
    line, newline, _ = head.partition(b"\n")
    if not newline and len(head) < _FIRST:
        return None
    return hashlib.sha256(line).hexdigest()


def read(path: Path, begin: int) -> Piece:
    """What is written whole from there on, so much at once; a line that is not at its end waits.

    One that never ends is no line: it is passed over.
    """
    with path.open("rb") as file:
        file.seek(begin)
        block = file.read(AT_ONCE)
    end = block.rfind(b"\n") + 1
    if not end and len(block) == AT_ONCE:
        end = len(block)
    return Piece(block[:end].splitlines(), begin + end)


def put_away(log: Path, pid_file: Path) -> None:
    """Give a long file another name, and have the edge begin a new one; also if whoever did the first half
    was killed before the second.
    """
    long = log.exists() and log.stat().st_size >= LONGEST
    if long:
        log.rename(log.with_name(f"{log.name}.{time_ns()}"))
    if long or (not log.exists() and files(log)):
        with suppress(FileNotFoundError, ValueError, ProcessLookupError):
            os.kill(int(pid_file.read_text()), signal.SIGUSR1)


def clear(log: Path, path: Path, counted: int) -> bool:
    """Remove a file that was put away, is counted to its end and still; whether it is gone."""
    state = path.stat()
    if path == log or not log.exists() or state.st_size > counted or time() - state.st_mtime < QUIET_SECONDS:
        return False
    path.unlink()
    logger.debug("{} is counted and removed", path)
    return True
