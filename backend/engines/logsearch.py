"""Searches what a service's releases printed, from the newest line back: of the newest unit first.

One call reads a bounded part and says where to go on. A cursor names a unit, one of its files and where in
it the last line that was looked at begins, as those of `unitlog` do, so that it survives rotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from backend.engines.loglines import BadCursor, LogFound, LogLine
from backend.engines.text import clean_line
from backend.engines.unitlog import BLOCK, RAW_LINE, File, decode, encode, find, held_open, position_of, whose

SCAN_BYTES = 4 * 2**20
"""Looked at by one call; a service keeps up to fifteen times as much."""
LINE_BYTES = 64
"""What a line counts beside its length: many short ones take longest."""


def search(
    folder: Path, matches: Callable[[str], bool], *, unit: str | None, before: str | None, limit: int
) -> LogFound:
    """See `Engine.search_log`."""
    with held_open(folder) as units:
        if units is None:
            return LogFound([], before)
        return _search(
            [files for files in units if unit in (None, whose(files[0].path)[1])], matches, before, limit
        )


def _search(
    units: list[list[File]], matches: Callable[[str], bool], before: str | None, limit: int
) -> LogFound:
    lines: list[LogLine] = []
    left = SCAN_BYTES
    for files, index, end in _places(units, before):
        for raw, file, begin in _backwards(files, index, end):
            left -= len(raw) + LINE_BYTES
            text = clean_line(raw)
            if found := matches(text):
                lines.append(LogLine(_cursor(file, begin), text, *whose(file.path)))
            if left <= 0 or (found and len(lines) >= limit):
                return LogFound(lines, _cursor(file, begin))
    return LogFound(lines, None)


def _cursor(file: File, begin: int) -> str:
    return encode({file.unit: position_of(file, begin)})


def _places(units: list[list[File]], before: str | None) -> Iterator[tuple[list[File], int, int]]:
    """What is left to look at: of each unit its files, the last of them, and up to where in that one."""
    known = decode(before) if before is not None else {}
    if known is None or (before is not None and len(known) != 1):
        raise BadCursor
    for files in reversed(units):
        number = files[0].unit
        for unit, position in known.items():
            if number > unit:
                break
            if number == unit:
                # What was rotated away meanwhile took all that is older with it.
                if place := find(files, position):
                    yield files, *place
                break
        else:
            yield files, len(files) - 1, files[-1].size


def _backwards(files: list[File], index: int, end: int) -> Iterator[tuple[bytes, File, int]]:
    """The lines before a place, the last first, with the file and offset where each begins.

    Of a line that begins further up, maybe in the file before, `rest` is what was read so far; None where
    a line has just ended and none follows.
    """
    rest: bytes | None = None
    for number in range(index, -1, -1):
        file = files[number]
        offset = end if number == index else file.size
        while offset > 0:
            begin = max(0, offset - BLOCK)
            file.stream.seek(begin)
            pieces = file.stream.read(offset - begin).split(b"\n")
            for turn, piece in enumerate(reversed(pieces)):
                if turn:
                    if rest is not None:
                        yield rest, file, offset
                    rest = b""
                    offset -= 1
                if piece or rest is not None:
                    rest = (piece + (rest or b""))[: RAW_LINE + 1]
                offset -= len(piece)
        if rest is not None and (number == 0 or _ends_a_line(files[number - 1])):
            yield rest, file, 0
            rest = None


def _ends_a_line(file: File) -> bool:
    if file.size == 0:
        return True
    file.stream.seek(file.size - 1)
    return file.stream.read(1) == b"\n"
