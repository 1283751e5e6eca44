"""Files behind the storage interface: keys that mean ill stay outside, and a write is whole or not there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backend.dao.base import LocalFiles


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path / "files")


async def test_round_trip(files: LocalFiles) -> None:
    for key in ("a", "avatars/0197a2c4/small.png", "a.b/c-d_e"):
        content = key.encode() * 1000
        await files.put(key, content)
        assert await files.get(key) == content
        await files.put(key, b"")
        assert await files.get(key) == b""
        await files.delete(key)
        assert await files.get(key) is None
        await files.delete(key)


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "/etc/passwd", "../x", "a/../../x", "a/..", "..", ".", "./a", "a//b", "a/", ".hidden"),
        *(
            "a/.hidden",
            "a\\b",
            "a\x00b",
            "a b",
            "a\nb",
            "ключ",
            "~root",
            "-rf",
            "a/-x",
            "C:\\x",
            "a/b\n",
            "%2e%2e/x",
        ),
    ],
    ids=ascii,
)
async def test_hostile_keys(files: LocalFiles, tmp_path: Path, key: str) -> None:
    for operation in (files.get(key), files.put(key, b"x"), files.delete(key)):
        with pytest.raises(ValueError, match="storage key"):
            await operation
    assert not (tmp_path / "files").exists()


async def test_a_folder_is_no_file(files: LocalFiles) -> None:
    await files.put("a/b", b"x")
    assert await files.get("a") is None


async def test_readers_see_the_old_or_the_new(files: LocalFiles) -> None:
    sizes = [1 << 20, (1 << 20) + 1]
    await files.put("big", b"0" * sizes[0])

    async def write() -> None:
        for number in range(20):
            await files.put("big", str(number % 2).encode() * sizes[number % 2])

    writing = asyncio.create_task(write())
    while not writing.done():
        content = await files.get("big")
        assert content is not None
        assert len(content) in sizes
        assert len(set(content)) == 1
    await writing


async def test_nothing_half_written_is_left(files: LocalFiles) -> None:
    await asyncio.gather(*(files.put(f"many/{number % 3}", b"x" * 1000) for number in range(30)))
    assert {path.name for path in (files.root / "many").iterdir()} == {"0", "1", "2"}
