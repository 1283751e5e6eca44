"""Log pages: newest lines, what comes after a cursor, across rotation, of several units, of any bytes."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from backend.engines import unitlog
from backend.engines.base import LogPage
from tests.engines.conftest import Panel


def write(path: Path, text: str | bytes, *, settled: bool = True) -> None:
    """What is not settled stays so, however slowly the test goes on."""
    with open(path, "ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)
    at = time.time() - 10 if settled else time.time() + 3600
    os.utime(path, (at, at))


def rotate(path: Path) -> None:
    for number in range(unitlog.ROTATE_FILES, 0, -1):
        source = path if number == 1 else Path(f"{path}.{number - 1}")
        if source.exists():
            source.rename(f"{path}.{number}")


def texts(page: LogPage) -> list[str]:
    return [line.text for line in page.lines]


def follow(folder: Path, cursor: str | None, size: int) -> tuple[list[str], str]:
    """Everything after a cursor, in pages of `size`."""
    found = []
    while True:
        page = unitlog.read(folder, cursor, size)
        assert not page.truncated
        found += texts(page)
        cursor = page.next
        if not page.lines:
            return found, cursor


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return unitlog.log_file(tmp_path, "first")


def test_newest_and_later(log: Path) -> None:
    write(log, "".join(f"line {number}\n" for number in range(100)))
    page = unitlog.read(log.parent, None, 10)
    assert texts(page) == [f"line {number}" for number in range(90, 100)]
    assert texts(unitlog.read(log.parent, page.lines[4].cursor, 100)) == [
        f"line {number}" for number in range(95, 100)
    ]
    assert page.lines[-1].cursor == page.next
    write(log, "more\n")
    later = unitlog.read(log.parent, page.next, 10)
    assert texts(later) == ["more"]
    assert unitlog.read(log.parent, later.next, 10) == LogPage([], later.next)


def test_nothing_yet_then_something(log: Path) -> None:
    empty = unitlog.read(log.parent, None, 10)
    assert (empty.lines, empty.truncated) == ([], False)
    assert unitlog.read(log.parent / "nosuch", None, 10).lines == []
    write(log, "first\n")
    assert texts(unitlog.read(log.parent, empty.next, 10)) == ["first"]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_cursors_survive_rotation(log: Path, size: int) -> None:
    expected = []
    write(log, "start\n")
    cursor = unitlog.read(log.parent, None, 10).next
    seen: list[str] = []
    for number in range(40):
        line = f"line {number} {'x' * (number * 7 % 50)}"
        # Rotation may come in the midst of a line, as supervisord writes what it reads.
        half = len(line) // 2
        write(log, line[:half], settled=False)
        if number % 4 == 3:
            rotate(log)
            if number % 8 == 3:
                found, cursor = follow(log.parent, cursor, size)
                seen += found
        write(log, line[half:] + "\n")
        expected.append(line)
        if number % 3 == 0:
            found, cursor = follow(log.parent, cursor, size)
            seen += found
    seen += follow(log.parent, cursor, size)[0]
    assert seen == expected
    assert texts(unitlog.read(log.parent, None, 6)) == expected[-6:]


def test_a_position_that_was_rotated_away(log: Path) -> None:
    write(log, "old 1\nold 2\n")
    cursor = unitlog.read(log.parent, None, 1).next
    for number in range(unitlog.ROTATE_FILES + 1):
        rotate(log)
        write(log, f"new {number}\n")
    page = unitlog.read(log.parent, cursor, 10)
    assert page.truncated
    assert texts(page) == [f"new {number}" for number in range(unitlog.ROTATE_FILES + 1)]
    assert unitlog.read(log.parent, "nonsense", 1).truncated
    assert unitlog.read(log.parent, "", 1).truncated
    assert unitlog.read(log.parent, "🌊" * 10, 1).truncated


def test_units_in_their_order_and_their_late_words(log: Path) -> None:
    write(log, "old starts\n")
    second = unitlog.log_file(log.parent, "second")
    assert unitlog.log_file(log.parent, "first") == log
    write(second, "new starts\n")
    page = unitlog.read(log.parent, None, 10)
    assert texts(page) == ["old starts", "new starts"]
    write(log, "old stops\n")
    write(second, "new works\n")
    later = unitlog.read(log.parent, page.next, 1)
    assert texts(later) == ["old stops"]
    assert texts(unitlog.read(log.parent, later.next, 10)) == ["new works"]
    # A cursor of the newest page alone knows that the older unit was passed over.
    newest = unitlog.read(log.parent, None, 1)
    assert texts(newest) == ["new works"]
    assert unitlog.read(log.parent, newest.next, 10).lines == []
    assert texts(unitlog.read(log.parent, newest.lines[0].cursor, 10)) == []
    third = unitlog.log_file(log.parent, "third")
    write(third, "third\n")
    assert texts(unitlog.read(log.parent, newest.next, 10)) == ["third"]
    assert unitlog.tail(log.parent, "second", 1) == ["new works"]
    assert unitlog.tail(log.parent, "nosuch", 1) == []


def test_lines_of_any_bytes(log: Path) -> None:
    write(log, b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07text\n")
    write(log, b"bad \xff\xfe utf-8\n")
    write(log, b"nul \x00 bell \x07 tab\tend\r\n")
    write(log, b"10%\r50%\r100%\n")
    write(log, b"x" * 100_000 + b"\n")
    write(log, "привет 🌊\n")
    write(log, "\n")
    write(log, b"no end")
    lines = texts(unitlog.read(log.parent, None, 100))
    assert lines[:4] == ["red text", "bad \ufffd\ufffd utf-8", "nul  bell  tab\tend", "100%"]
    assert len(lines[4]) < 2100
    assert lines[4].endswith("(cut)")
    assert lines[5:] == ["привет 🌊", "", "no end"]


def test_a_line_is_shown_when_it_is_complete(log: Path) -> None:
    write(log, "begun", settled=False)
    page = unitlog.read(log.parent, None, 10)
    assert page.lines == []
    write(log, " and ended\n", settled=False)
    assert texts(unitlog.read(log.parent, page.next, 10)) == ["begun and ended"]
    with open(log, "a") as file:
        file.write("last words")
    assert unitlog.tail(log.parent, "first", 2) == ["begun and ended", "last words"]


def test_old_logs_are_pruned(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unitlog, "SERVICE_BYTES", 2500)
    paths = []
    for name in ("a", "b", "c", "d"):
        paths.append(unitlog.log_file(log.parent, name))
        write(paths[-1], "x" * 1000 + "\n")
    unitlog.prune(log.parent, keep={"a"})
    assert [path.exists() for path in paths] == [True, False, True, True]


async def test_a_flood_is_rotated_and_bounded(panel: Panel) -> None:
    flood = "import os\nfor n in range(400000): print(n, 'x' * 90)\n"
    serve = "import os\nos.execvp('gavan-static', ['gavan-static'])\n"
    release, _ = await panel.run(
        {
            "index.html": "",
            "main.py": flood + "print('done', flush=True)\n" + serve,
            "Procfile": "web: python3 main.py",
        }
    )
    folder = panel.apps.home / "logs" / release.service_id
    deadline = time.monotonic() + 60
    while "done" not in "\n".join(
        texts(await panel.engine.read_log(release.service_id, after=None, limit=20))
    ):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    sizes = [path.stat().st_size for path in folder.iterdir()]
    assert len(sizes) == unitlog.ROTATE_FILES + 1
    assert sum(sizes) < unitlog.ROTATE_BYTES * (unitlog.ROTATE_FILES + 1.2)
    page = await panel.engine.read_log(release.service_id, after=None, limit=1000)
    numbers = [int(text.split()[0]) for text in texts(page) if text.endswith("xxx")]
    assert numbers == list(range(numbers[0], 400000))
    found = await panel.engine.search_log(
        release.service_id, lambda line: line == "done", unit="web.1", before=None, limit=5
    )
    assert [line.text for line in found.lines] == ["done"]
