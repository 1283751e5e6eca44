"""The guard around child processes, where a build alone does not lead."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from backend.engines import watch
from backend.engines.processes import group_members
from backend.engines.text import clean_line, human_size
from backend.engines.watch import DiskShort, Output, TimedOut, TooLarge, folder_size, run_guarded


async def guarded(tmp_path: Path, script: str, lines: list[str], **changes: float) -> int:
    async def report(line: str) -> None:
        lines.append(line)

    return await run_guarded(
        ["/bin/sh", "-c", script],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        stdin=b"given\n",
        timeout=changes.get("timeout", 20),
        folders=[tmp_path],
        max_bytes=int(changes.get("max_bytes", 1 << 20)),
        output=Output(report, lines=5, tail=2),
    )


async def test_status_input_and_output(tmp_path: Path) -> None:
    lines: list[str] = []
    assert await guarded(tmp_path, "cat; echo err >&2; printf end; exit 3", lines) == 3
    assert lines == ["given", "err", "end"]
    assert await guarded(tmp_path, "kill -9 $$", lines) == -9


async def test_long_output_keeps_its_beginning_and_end(tmp_path: Path) -> None:
    lines: list[str] = []
    await guarded(tmp_path, "seq 100", lines)
    assert lines[:5] == ["1", "2", "3", "4", "5"]
    assert lines[-3:] == ["… 93 lines cut", "99", "100"]


async def test_a_grandchild_that_keeps_the_output_open_does_not_hold_the_call(tmp_path: Path) -> None:
    began = time.monotonic()
    for script in ("sleep 200 & echo done", "setsid sleep 200 & echo $! > own-group; echo done"):
        assert await guarded(tmp_path, script, [], timeout=150) == 0
    assert time.monotonic() - began < 100
    os.kill(int((tmp_path / "own-group").read_text()), signal.SIGKILL)


async def test_limits(tmp_path: Path) -> None:
    with pytest.raises(TimedOut):
        await guarded(tmp_path, "sleep 30", [], timeout=0.2)
    with pytest.raises(TooLarge):
        await guarded(tmp_path, "head -c 3000000 /dev/zero > big; sleep 30", [])


async def test_a_full_disk_stops_it_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "RESERVE", 1 << 60)
    with pytest.raises(DiskShort) as caught:
        await guarded(tmp_path, "sleep 30", [])
    assert caught.value.code == "engine_unavailable"


async def test_trouble_with_the_log_ends_the_child_and_is_told_as_it_is(tmp_path: Path) -> None:
    async def broken(line: str) -> None:
        raise TimeoutError("the database does not answer")

    began = time.monotonic()
    with pytest.raises(TimeoutError, match="database"):
        await run_guarded(
            ["/bin/sh", "-c", "echo x; sleep 200"],
            cwd=tmp_path,
            env={},
            stdin=b"",
            timeout=150,
            folders=[tmp_path],
            max_bytes=1 << 20,
            output=Output(broken),
        )
    assert time.monotonic() - began < 100


async def test_cancelling_kills_the_group(tmp_path: Path) -> None:
    task = asyncio.create_task(guarded(tmp_path, "echo $$ > pid; sleep 30 & sleep 31", []))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        await asyncio.sleep(0.02)
    group = int((tmp_path / "pid").read_text())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(20):
        while group_members(group):
            await asyncio.sleep(0.02)


def test_sizes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(10_000))
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/link").symlink_to("/usr")
    assert 10_000 <= folder_size([tmp_path]) < 30_000
    assert folder_size([tmp_path / "nosuch"]) == 0
    assert human_size(999) == "999 bytes"
    assert human_size(1536) == "1.5 KiB"
    assert human_size(5 * 2**40) == "5120.0 GiB"


def test_lines_of_any_kind() -> None:
    assert clean_line(b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\r\n") == "link"
    assert clean_line("a\u202eb\u2028c".encode()) == "abc"
    assert clean_line(b"\xed\xa0\x80") == "\ufffd\ufffd\ufffd"
    assert clean_line(b"") == ""
