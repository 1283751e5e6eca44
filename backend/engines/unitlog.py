"""Reads what a service's releases printed: several rotated files as one stream with stable positions.

Each unit writes its own file (supervisord rotates it: `.log`, then `.log.1`, …). A cursor names for
every unit the file (inode and a checksum of its beginning, since inodes are reused) and the
offset up to which it was read, so it survives rotation, and new units join at their beginning.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from backend.engines.base import LogLine, LogPage
from backend.engines.scale import NAME, WEB, unit_name
from backend.engines.text import LINE_LIMIT, clean_line

ROTATE_BYTES, ROTATE_FILES = 5 * 2**20, 3
SERVICE_BYTES = 3 * ROTATE_BYTES * (ROTATE_FILES + 1)
UNITS_KEPT = 20
"""Logs of one service beyond which those of the oldest units are deleted; a cursor names each unit."""

_NAME = re.compile(rf"(\d+)-([A-Za-z0-9-]+)(?:\.({NAME}\.\d+))?\.log(?:\.(\d+))?")
_FIRST = unit_name(WEB, 1)
_HEAD = 64
RAW_LINE = 4 * LINE_LIMIT
BLOCK = 1 << 16
_SETTLED = 1.0
"""Seconds after which a line without an end is taken for complete."""


@dataclass(frozen=True, slots=True)
class File:
    """Held open, so that a rotation in the midst of reading changes nothing."""

    unit: int
    path: Path
    stream: BinaryIO
    inode: int
    size: int
    changed: float
    head: bytes

    def checksum(self, length: int) -> int:
        return zlib.crc32(self.head[:length])


@dataclass(frozen=True, slots=True)
class Position:
    inode: int
    checksum: int
    offset: int


Positions = dict[int, Position]


def log_file(folder: Path, deployment_id: str, unit: str = _FIRST) -> Path:
    """The file for a unit that starts now: its number keeps the units in order. Call it under a lock."""
    suffix = "" if unit == _FIRST else f".{unit}"
    numbers = [0]
    for name in _listed(folder):
        if match := _NAME.fullmatch(name):
            if (match[2], match[3] or _FIRST) == (deployment_id, unit):
                return folder / f"{match[1]}-{deployment_id}{suffix}.log"
            numbers.append(int(match[1]))
    return folder / f"{max(numbers) + 1}-{deployment_id}{suffix}.log"


def prune(folder: Path, keep: set[str]) -> None:
    """Delete the oldest units' logs beyond the limits; `keep` names deployments that still exist."""
    total = 0
    for place, (_, paths) in enumerate(sorted(_paths(folder).items(), reverse=True)):
        with contextlib.suppress(FileNotFoundError):
            total += sum(path.stat().st_size for path in paths)
        if (total > SERVICE_BYTES or place >= UNITS_KEPT) and whose(paths[0])[0] not in keep:
            for path in paths:
                path.unlink(missing_ok=True)


def whose(path: Path) -> tuple[str, str]:
    """Deployment and name of the unit that writes it."""
    match = _NAME.fullmatch(path.name)
    assert match
    return match[2], match[3] or _FIRST


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _paths(folder: Path) -> dict[int, list[Path]]:
    """The files of each unit, oldest first."""
    found: dict[int, list[tuple[int, Path]]] = {}
    for name in _listed(folder):
        if match := _NAME.fullmatch(name):
            found.setdefault(int(match[1]), []).append((-int(match[4] or 0), folder / name))
    return {unit: [path for _, path in sorted(files)] for unit, files in found.items()}


def _open(folder: Path, opened: contextlib.ExitStack) -> list[list[File]]:
    """Units in the order in which they were first started. FileNotFoundError when a rotation came between."""
    units = [
        [_opened(unit, path, opened) for path in paths] for unit, paths in sorted(_paths(folder).items())
    ]
    for file in (file for files in units for file in files):
        if file.path.stat().st_ino != file.inode:
            raise FileNotFoundError
    return units


def _opened(unit: int, path: Path, opened: contextlib.ExitStack) -> File:
    stream = opened.enter_context(path.open("rb"))
    info = os.fstat(stream.fileno())
    return File(unit, path, stream, info.st_ino, info.st_size, info.st_mtime, stream.read(_HEAD))


@contextlib.contextmanager
def held_open(folder: Path) -> Iterator[list[list[File]] | None]:
    """The files of each unit, in the order in which they were first started; None if they keep rotating."""
    for _ in range(20):
        with contextlib.ExitStack() as opened:
            try:
                units = _open(folder, opened)
            except FileNotFoundError:
                time.sleep(0.005)
                continue
            yield units
            return
    yield None


def read(folder: Path, after: str | None, limit: int) -> LogPage:
    """See `Engine.read_log`."""
    with held_open(folder) as units:
        if units is None:
            return LogPage([], after or encode({}))
        return _newest(units, limit) if after is None else _later(units, after, limit)


def tail(folder: Path, deployment_id: str, count: int, unit: str = _FIRST) -> list[str]:
    """The last lines of one unit, one without an end included."""
    with contextlib.ExitStack() as opened:
        try:
            units = _open(folder, opened)
        except FileNotFoundError:
            return []
        for files in units:
            if whose(files[0].path) == (deployment_id, unit):
                (index, offset), _ = _tail_start(files, count)
                return [clean_line(raw) for raw, _, _ in _lines(files, index, offset, settled=0)]
    return []


def _newest(units: list[list[File]], limit: int) -> LogPage:
    left, starts = limit, {}
    for release in _releases(units):
        # What runs side by side shares the room: one that prints much hides no other.
        for place, files in enumerate(release):
            starts[files[0].unit], found = _tail_start(files, -(-left // (len(release) - place)))
            left -= found
    lines: list[LogLine] = []
    done: Positions = {}
    for files in units:
        index, offset = starts[files[0].unit]
        _collect(files, index, offset, done, limit, lines)
    return LogPage(lines, encode(done))


def _releases(units: list[list[File]]) -> list[list[list[File]]]:
    """The units of each release, the newest release first."""
    found: dict[str, list[list[File]]] = {}
    for files in reversed(units):
        found.setdefault(whose(files[0].path)[0], []).append(files)
    return list(found.values())


def _later(units: list[list[File]], after: str, limit: int) -> LogPage:
    known = decode(after)
    truncated = known is None
    starts: dict[int, tuple[int, int]] = {}
    for files in units:
        position = (known or {}).get(files[0].unit)
        place = find(files, position) if position else (0, 0)
        if place is None:
            truncated = True
        starts[files[0].unit] = place or (0, 0)
    lines: list[LogLine] = []
    # Where each unit was already read to stays in every cursor, also while an earlier unit is being read.
    done: Positions = {
        files[0].unit: position_of(files[starts[files[0].unit][0]], starts[files[0].unit][1])
        for files in units
        if starts[files[0].unit] != (0, 0)
    }
    unread = [files for files in units if _is_unread(files, *starts[files[0].unit])]
    for turn, files in enumerate(unread):
        index, offset = starts[files[0].unit]
        share = -(-(limit - len(lines)) // (len(unread) - turn))
        _collect(files, index, offset, done, len(lines) + share, lines)
    return LogPage(lines, encode(done), truncated)


def _is_unread(files: list[File], index: int, offset: int) -> bool:
    return index < len(files) - 1 or offset < files[-1].size


def find(files: list[File], position: Position) -> tuple[int, int] | None:
    for index, file in enumerate(files):
        if (
            file.inode == position.inode
            and file.size >= position.offset
            and file.checksum(position.offset) == position.checksum
        ):
            return index, position.offset
    return None


def position_of(file: File, offset: int) -> Position:
    return Position(file.inode, file.checksum(offset), offset)


def _tail_start(files: list[File], count: int) -> tuple[tuple[int, int], int]:
    """Where the last `count` lines of a unit begin, and how many there are (at most `count`)."""
    if count <= 0:
        return (len(files) - 1, files[-1].size), 0
    found = 0
    for index in range(len(files) - 1, -1, -1):
        file = files[index]
        end = file.size
        while end > 0:
            begin = max(0, end - BLOCK)
            file.stream.seek(begin)
            block = file.stream.read(end - begin)
            at = len(block)
            while (at := block.rfind(b"\n", 0, at)) >= 0:
                behind = begin + at + 1
                if index == len(files) - 1 and behind == file.size:
                    continue
                found += 1
                if found == count:
                    return (index, behind), found
            end = begin
    return (0, 0), found + (1 if any(file.size for file in files) else 0)


def _collect(
    files: list[File], index: int, offset: int, done: Positions, limit: int, lines: list[LogLine]
) -> None:
    """Append lines from a place on; `done` moves along and is each line's cursor."""
    unit = files[0].unit
    if len(lines) >= limit:
        if (index, offset) != (0, 0):
            done[unit] = position_of(files[index], offset)
        return
    place = (files[index], offset)
    for raw, file, end in _lines(files, index, offset):
        place = (file, end)
        done[unit] = position_of(file, end)
        lines.append(LogLine(encode(done), clean_line(raw), *whose(file.path)))
        if len(lines) >= limit:
            return
    if place[1] or index:
        done[unit] = position_of(*place)


def _lines(
    files: list[File], index: int, offset: int, settled: float = _SETTLED
) -> Iterator[tuple[bytes, File, int]]:
    """Complete lines with the file and offset just behind; some begin in one file and end in the next."""
    pending = b""
    skipped = False
    for number in range(index, len(files)):
        file = files[number]
        at = offset if number == index else 0
        file.stream.seek(at)
        while at < file.size and (piece := file.stream.readline(min(RAW_LINE, file.size - at))):
            at += len(piece)
            if not skipped:
                pending += piece
            if piece.endswith(b"\n"):
                yield pending, file, at
                pending, skipped = b"", False
            elif len(pending) >= RAW_LINE:
                skipped = True
    if pending and time.time() - files[-1].changed >= settled:
        yield pending, files[-1], files[-1].size


def encode(positions: Positions) -> str:
    compact = [[unit, at.inode, at.checksum, at.offset] for unit, at in sorted(positions.items())]
    return base64.urlsafe_b64encode(json.dumps(compact, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(cursor: str) -> Positions | None:
    try:
        content = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return {
            int(unit): Position(int(inode), int(checksum), int(offset))
            for unit, inode, checksum, offset in content
        }
    except (ValueError, TypeError, binascii.Error):
        return None
