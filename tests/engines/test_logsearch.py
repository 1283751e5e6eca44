"""Search in logs: the newest first, in bounded steps, across rotation, of several units, of any bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backend.engines import logsearch, unitlog
from backend.engines.base import BadCursor
from tests.engines.test_unitlog import rotate, write


def having(text: str) -> Callable[[str], bool]:
    return lambda line: text in line


def found(
    folder: Path, text: str, *, limit: int = 100, unit: str | None = None, before: str | None = None
) -> list[str]:
    """All lines with the text, in pages of `limit`."""
    lines = []
    while True:
        page = logsearch.search(folder, having(text), unit=unit, before=before, limit=limit)
        assert len(page.lines) <= limit
        lines += [line.text for line in page.lines]
        if (before := page.before) is None:
            return lines


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return unitlog.log_file(tmp_path, "first")


@pytest.mark.parametrize("limit", [1, 3, 1000])
@pytest.mark.parametrize("block", [1, 7, 1 << 16])
def test_newest_first_across_files_and_units(
    log: Path, limit: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logsearch, "BLOCK", block)
    written = [f"line {number}" for number in range(30)]
    for number, line in enumerate(written):
        # Some lines begin in one file and end in the next.
        write(log, line[:3])
        if number % 9 == 4:
            rotate(log)
        write(log, line[3:] + "\n\n")
    second = unitlog.log_file(log.parent, "second")
    write(second, "\nline of the second release\nunfinished line")
    everything = ["unfinished line", "line of the second release", *reversed(written)]
    assert found(log.parent, "line", limit=limit) == everything
    assert found(log.parent, "line 2", limit=limit) == [one for one in reversed(written) if "line 2" in one]
    assert found(log.parent, "", limit=1000).count("") == 31
    assert found(log.parent, "nowhere") == found(log.parent / "nosuch", "line") == []


def test_one_unit_alone(log: Path) -> None:
    write(log, "from the first\n")
    write(unitlog.log_file(log.parent, "first", "web.2"), "from the second\n")
    assert found(log.parent, "from") == ["from the second", "from the first"]
    assert found(log.parent, "from", unit="web.1") == ["from the first"]
    assert found(log.parent, "from", unit="web.2") == ["from the second"]
    assert found(log.parent, "from", unit="worker.1") == []


def test_goes_on_where_it_ended_though_lines_come_and_files_go(log: Path) -> None:
    write(log, "".join(f"old {number}\n" for number in range(10)))
    page = logsearch.search(log.parent, having("old"), unit=None, before=None, limit=4)
    write(log, "old, but later\n")
    rotate(log)
    write(log, "old, of the next file\n")
    write(unitlog.log_file(log.parent, "second"), "old, of the next release\n")
    assert found(log.parent, "old", before=page.before) == [f"old {number}" for number in range(5, -1, -1)]
    for number in range(unitlog.ROTATE_FILES + 1):
        rotate(log)
        write(log, f"new {number}\n")
    assert found(log.parent, "old", before=page.before) == []


def test_a_call_looks_at_a_part_only(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logsearch, "SCAN_BYTES", 10 * (logsearch.LINE_BYTES + 7))
    write(log, "wanted.\n" + "another\n" * 25)
    before, calls = None, 0
    while True:
        page = logsearch.search(log.parent, having("wanted"), unit=None, before=before, limit=5)
        before, calls = page.before, calls + 1
        if page.lines or before is None:
            break
    assert ([line.text for line in page.lines], calls) == (["wanted."], 3)


def test_long_lines_and_any_bytes(log: Path) -> None:
    write(log, b"begin " + b"x" * 300_000 + b" end\n" + b"\xff\x00\x1b[31mred\x1b[0m \xf0\x9f\x8c\x8a\n")
    assert [len(line) < 3000 for line in found(log.parent, "begin")] == [True]
    assert found(log.parent, "red 🌊") == ["\N{REPLACEMENT CHARACTER}red 🌊"]


@pytest.mark.parametrize("cursor", ["nonsense", "", "🌊" * 10, "W10", "e30"])
def test_no_cursor(log: Path, cursor: str) -> None:
    write(log, "line\n")
    with pytest.raises(BadCursor):
        found(log.parent, "line", before=cursor)
