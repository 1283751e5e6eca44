"""Uploaded archives: what is taken of them, and what is refused in words."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.engines.base import EngineError
from backend.engines.unpacking import Unpacking, top_folder

MANY = 1 << 20


def tar(path: Path, *members: tuple[str, bytes | str | None, bytes], packed: bool = True) -> Path:
    """Of (name, content or where a link leads, kind)."""
    with tarfile.open(path, "w:gz" if packed else "w") as archive:
        for name, content, kind in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, 0o644
            if isinstance(content, bytes):
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            else:
                entry.linkname = content or ""
                archive.addfile(entry)
    return path


def zipped(path: Path, *members: tuple[str, bytes, int]) -> Path:
    """Of (name, content, mode)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in members:
            entry = zipfile.ZipInfo(name)
            entry.external_attr, entry.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return path


def unpack(archive: Path, target: Path | None, most: int = MANY) -> tuple[Unpacking, list[str]]:
    said: list[str] = []
    if target is not None:
        target.mkdir()
    unpacking = Unpacking(archive, target, most, said.append)
    unpacking.run()
    return unpacking, said


FILE, FOLDER, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


@pytest.mark.parametrize("packed", [True, False])
def test_a_tar(tmp_path: Path, packed: bool) -> None:
    archive = tar(
        tmp_path / "a",
        ("./", None, FOLDER),
        ("./app/main.py", b"print(1)", FILE),
        ("app/again", "main.py", LINK),
        ("app/twice", "again", LINK),
        ("same.py", "app/main.py", HARD),
        (".git/config", b"x", FILE),
        ("naïve ☃.txt", b"snow", FILE),
        packed=packed,
    )
    found, said = unpack(archive, tmp_path / "t")
    tree = tmp_path / "t"
    assert (tree / "app" / "twice").read_bytes() == b"print(1)"
    assert (tree / "same.py").read_bytes() == b"print(1)"
    assert not (tree / "same.py").is_symlink()
    assert (tree / "naïve ☃.txt").read_bytes() == b"snow"
    assert not (tree / ".git").exists()
    assert said == [".git is left out"]
    looked, _ = unpack(archive, None)
    assert looked.files == found.files == 5


def test_a_zip(tmp_path: Path) -> None:
    archive = zipped(
        tmp_path / "a",
        ("site/", b"", stat.S_IFDIR | 0o755),
        ("site/index.html", b"<h1>", 0),
        ("site/run.sh", b"#!/bin/sh", stat.S_IFREG | 0o755),
        ("site/home", b"index.html", stat.S_IFLNK | 0o777),
        ("__MACOSX/._x", b"x", 0),
    )
    unpack(archive, tmp_path / "t")
    top = top_folder(tmp_path / "t")
    assert top.name == "site"
    assert (top / "home").read_bytes() == b"<h1>"
    assert os.access(top / "run.sh", os.X_OK)
    assert not os.access(top / "index.html", os.X_OK)


Make = Callable[[Path], Path]
REFUSED: dict[str, tuple[str, Make]] = {
    "traversal": ("archive_outside", lambda at: tar(at, ("../evil", b"x", FILE))),
    "deep traversal": ("archive_outside", lambda at: tar(at, ("a/../../evil", b"x", FILE))),
    "absolute": ("archive_outside", lambda at: tar(at, ("/etc/cron.d/evil", b"x", FILE))),
    "drive": ("archive_outside", lambda at: zipped(at, ("C:/evil", b"x", 0))),
    "zip traversal": ("archive_outside", lambda at: zipped(at, ("../../evil", b"x", 0))),
    "backslashes": ("archive_name", lambda at: zipped(at, ("a\\b", b"x", 0))),
    "control characters": ("archive_name", lambda at: tar(at, ("a\nb", b"x", FILE))),
    "long name": ("archive_name", lambda at: tar(at, ("a" * 256, b"x", FILE))),
    "deep": ("archive_deep", lambda at: tar(at, ("a/" * 61 + "b", b"x", FILE))),
    "absolute link": ("archive_link", lambda at: tar(at, ("l", "/etc/passwd", LINK))),
    "link out": ("archive_link", lambda at: tar(at, ("a/l", "../../x", LINK))),
    "links out": (
        "archive_link",
        lambda at: tar(at, ("d/x/y", b"", FILE), ("a", "d/x", LINK), ("l", "a/../../../etc", LINK)),
    ),
    "zip link out": ("archive_link", lambda at: zipped(at, ("l", b"../x", stat.S_IFLNK | 0o777))),
    "hard link out": ("archive_outside", lambda at: tar(at, ("l", "../etc/passwd", HARD))),
    "hard link to nothing": ("archive_link", lambda at: tar(at, ("l", "x", HARD))),
    "hard link to a link": (
        "archive_link",
        lambda at: tar(at, ("x", b"", FILE), ("a", "x", LINK), ("l", "a", HARD)),
    ),
    "through a link": ("archive_twice", lambda at: tar(at, ("d", "/tmp", LINK), ("d/evil", b"x", FILE))),
    "twice": ("archive_twice", lambda at: tar(at, ("a", b"x", FILE), ("./a", b"y", FILE))),
    "folder and file": ("archive_twice", lambda at: tar(at, ("a/b", b"x", FILE), ("a", b"y", FILE))),
    "device": ("archive_device", lambda at: tar(at, ("null", None, tarfile.CHRTYPE))),
    "pipe": ("archive_device", lambda at: tar(at, ("pipe", None, tarfile.FIFOTYPE))),
    "zip socket": ("archive_device", lambda at: zipped(at, ("s", b"", stat.S_IFSOCK | 0o777))),
    "too large": ("archive_too_large", lambda at: tar(at, ("a", bytes(MANY + 1), FILE))),
    "zip too large": ("archive_too_large", lambda at: zipped(at, ("a", bytes(MANY + 1), 0))),
    "no archive": ("archive_format", lambda at: _write(at, b"hello")),
    "text": ("archive_format", lambda at: _write(at, b"\0" * 1024)),
    "cut off": (
        "archive_damaged",
        lambda at: _write(at, _random(at)[:5000]),
    ),
    "broken zip": ("archive_damaged", lambda at: _write(at, b"PK\x03\x04" + b"x" * 100)),
    "empty": ("archive_empty", lambda at: tar(at, ("a/", None, FOLDER))),
}


def _random(at: Path) -> bytes:
    return tar(at, ("a", os.urandom(9999), FILE)).read_bytes()


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("which", REFUSED)
def test_refused(tmp_path: Path, which: str) -> None:
    detail, make = REFUSED[which]
    archive = make(tmp_path / "archive")
    with pytest.raises(EngineError) as caught:
        unpack(archive, tmp_path / "target")
    assert caught.value.parameters["detail"] == detail, caught.value.message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "target"]
    if which != "links out":
        # Where links lead over others is known only once they are there.
        with pytest.raises(EngineError):
            unpack(archive, None)


def test_a_bomb_is_stopped_while_it_grows(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a", ("a", bytes(100 * 2**20), 0))
    with pytest.raises(EngineError) as caught:
        unpack(archive, None, 1 << 30)
    assert caught.value.parameters["detail"] == "archive_bomb"


def test_headers_count_too(tmp_path: Path) -> None:
    archive = tar(tmp_path / "a", *((f"{at}/", None, FOLDER) for at in range(2000)))
    with pytest.raises(EngineError) as caught:
        unpack(archive, None, 1000)
    assert caught.value.code == "source_empty"
