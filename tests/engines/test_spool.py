"""What is kept of containers' output: each line once, whatever is cut off or comes twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.engines import unitlog
from backend.engines.docker.spool import Spool, prune


def frame(second: int, text: str) -> bytes:
    return f"2026-11-22T10:00:{second:02}.000000000Z {text}".encode()


def kept(folder: Path) -> list[str]:
    return [line.text for line in unitlog.read(folder, None, 1000).lines]


def test_frames_that_come_again_are_kept_once(tmp_path: Path) -> None:
    frames = [frame(1, "one\n"), frame(2, "two\n")]
    for _ in range(2):
        with Spool(tmp_path, "d") as spool:
            spool.append("c", frames, over=False)
    with Spool(tmp_path, "d") as spool:
        assert spool.position("c") == "2026-11-22T10:00:02.000000000Z"
        assert not spool.is_over("c")
        spool.append("c", [*frames, frame(3, "three\n")], over=True)
        assert spool.is_over("c")
    assert kept(tmp_path) == ["one", "two", "three"]


def test_what_does_not_count_yet_is_cut_off(tmp_path: Path) -> None:
    with Spool(tmp_path, "d") as spool:
        spool.append("c", [frame(1, "one\n")], over=False)
    # As a kill between the file and its state leaves it.
    [file] = tmp_path.glob("*.log")
    with file.open("ab") as half:
        half.write(b"two\nthr")
    with Spool(tmp_path, "d") as spool:
        spool.append("c", [frame(2, "two\n"), frame(3, "three\n")], over=False)
    assert kept(tmp_path) == ["one", "two", "three"]


def test_pieces_of_a_long_line(tmp_path: Path) -> None:
    with Spool(tmp_path, "d") as spool:
        spool.append("c", [frame(1, "be"), frame(1, "gun")], over=False)
    assert kept(tmp_path) == []
    with Spool(tmp_path, "d") as spool:
        spool.append(
            "c", [frame(1, "be"), frame(1, "gun "), frame(1, "ended\n"), frame(2, "rest")], over=True
        )
    assert kept(tmp_path) == ["begun ended", "rest"]


def test_rotation_keeps_cursors_and_bounds_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unitlog, "ROTATE_BYTES", 1000)
    cursor = None
    for second in range(20):
        with Spool(tmp_path, "d") as spool:
            spool.append("c", [frame(second, f"{second} " + "x" * 400 + "\n")], over=False)
        page = unitlog.read(tmp_path, cursor, 100)
        assert [line.text.split()[0] for line in page.lines] == [str(second)]
        assert not page.truncated
        cursor = page.next
    assert len(list(tmp_path.glob("*.log*"))) <= unitlog.ROTATE_FILES + 1
    assert sum(path.stat().st_size for path in tmp_path.glob("*.log*")) < 1000 * (unitlog.ROTATE_FILES + 2)


def test_pruning_takes_the_state_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unitlog, "UNITS_KEPT", 1)
    for deployment in ("a", "b", "c"):
        with Spool(tmp_path, deployment) as spool:
            spool.append(deployment, [frame(1, "one\n")], over=True)
    prune(tmp_path, {"a"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-a.json", "1-a.log", "3-c.json", "3-c.log"]
