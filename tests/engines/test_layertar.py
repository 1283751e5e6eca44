"""Layers of fetched images: what the daemon would unpack to more than was counted never reaches it."""

from __future__ import annotations

import io
import tarfile

import pytest

from backend.engines.errors import EngineError
from backend.engines.layertar import LayerTar, Unfit, check_plain


def layer(form: int) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=form) as tar:
        for name, size in (
            ("a", 0),
            ("d/" + "x" * 150, 700),
            ("y" * 300, 513),
            ("é" * 100, 1),
            ("z", 99_999),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = size
            tar.addfile(entry, io.BytesIO(b"\xff" * size))
        for name, kind, target in (("l", tarfile.SYMTYPE, "q" * 300), ("dir", tarfile.DIRTYPE, "")):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            tar.addfile(entry)
    return content.getvalue()


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("at_once", [1, 511, 4096, 1 << 20])
def test_files_are_counted_however_they_come(form: int, at_once: int) -> None:
    content, followed = layer(form), LayerTar()
    for start in range(0, len(content), at_once):
        followed.feed(content[start : start + at_once])
    assert followed.files == 7


def test_a_header_may_say_another_size_for_the_next_one() -> None:
    entry = tarfile.TarInfo("large")
    entry.pax_headers = {"size": "2000"}
    followed = LayerTar()
    followed.feed(entry.tobuf(tarfile.PAX_FORMAT) + b"x" * 2048 + tarfile.TarInfo("after").tobuf())
    assert followed.files == 2


@pytest.mark.parametrize("version", ["0", "1"])
def test_terabytes_of_nothing_are_refused(version: str) -> None:
    entry = tarfile.TarInfo("hole")
    entry.pax_headers = {"GNU.sparse.major": version, "GNU.sparse.size": str(2**40)}
    with pytest.raises(Unfit):
        LayerTar().feed(entry.tobuf(tarfile.PAX_FORMAT))
    old = tarfile.TarInfo("hole")
    old.type = tarfile.GNUTYPE_SPARSE
    with pytest.raises(Unfit):
        LayerTar().feed(old.tobuf(tarfile.GNU_FORMAT))


@pytest.mark.parametrize("note", [b"", b"9 path=", b"99 path=a\n", b"7 patha\n", b"x path=a\n", b"0 a=b\n"])
def test_headers_that_are_none_are_refused_or_empty(note: bytes) -> None:
    entry = tarfile.TarInfo("note")
    entry.type, entry.size = tarfile.XHDTYPE, len(note)
    content = entry.tobuf(tarfile.USTAR_FORMAT) + note + b"\0" * (-len(note) % 512)
    if note:
        with pytest.raises(EngineError):
            LayerTar().feed(content)
    else:
        LayerTar().feed(content)


@pytest.mark.parametrize(
    "beginning", [b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x5a\x2a\x4d\x18"]
)
def test_what_is_packed_is_not_taken_for_plain(beginning: bytes) -> None:
    with pytest.raises(EngineError):
        check_plain(beginning)
    check_plain(layer(tarfile.PAX_FORMAT)[:512])
