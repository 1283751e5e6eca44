"""Unpacks an uploaded archive without trusting it; runs in the fetching child.

What is refused is said by name, and the rest of it too: a source that is half there would be built. Without a
folder to write to, everything is looked at all the same, so that an upload can be refused at once.
"""

from __future__ import annotations

import gzip
import io
import os
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from backend.engines.errors import EngineError
from backend.engines.text import clean_line, human_size

ENTRIES, DEPTH, NAME_BYTES, PATH_BYTES = 100_000, 60, 255, 4000
RATIO, RATIO_FROM = 200, 64 * 2**20
"""An archive that unpacks to so many times its size, and to more than this, is made to fill a disk."""
CHUNK = 1 << 18
LEFT_OUT = frozenset({".git", "__MACOSX", ".DS_Store"})
_PACKED_ZIP = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, slots=True)
class _Entry:
    path: str
    mode: int
    """As of `stat`, with the kind of the file."""
    link: str = ""
    content: IO[bytes] | None = None
    hard: bool = False


def kind_of(path: Path) -> str:
    """`zip`, `tar.gz` or `tar`, by what it holds and not by its name. Raises `archive_invalid`."""
    with open(path, "rb") as file:
        head = file.read(512)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if head[:2] == b"\x1f\x8b":
        return "tar.gz"
    if head[257:262] == b"ustar":
        return "tar"
    raise _invalid("This is no .zip, .tar or .tar.gz archive.", "archive_format")


@dataclass(slots=True)
class Unpacking:
    """Of one archive; `target` is a new folder, None for only looking."""

    archive: Path
    target: Path | None
    max_bytes: int
    say: Callable[[str], None]
    files: int = 0
    written: int = 0
    _entries: int = 0
    _size: int = 0
    _seen: dict[str, bool] = field(default_factory=dict)
    """Paths that are there; whether each is a folder."""
    _links: list[_Entry] = field(default_factory=list)
    _left_out: set[str] = field(default_factory=set)

    def run(self) -> None:
        self._size = self.archive.stat().st_size
        try:
            kind = kind_of(self.archive)
            for entry in _of_zip(self.archive) if kind == "zip" else _of_tar(self, kind):
                self._take(entry)
        except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile) as error:
            raise _damaged() from error
        except (UnicodeError, NotImplementedError, RuntimeError, ValueError) as error:
            raise _damaged() from error
        links = {link.path for link in self._links}
        for link in self._links:
            self._link(link, links)
        if self.target is not None:
            self._check_links(os.path.realpath(self.target))
        if not self.files:
            raise EngineError("source_empty", "The archive holds no files.", detail="archive_empty")
        for name in sorted(self._left_out):
            self.say(f"{name} is left out")

    def count(self, size: int) -> None:
        """Bytes that came out of the archive, whatever for."""
        self.written += size
        if self.written > self.max_bytes:
            raise too_large(self.max_bytes)
        if self.written > max(RATIO_FROM, RATIO * self._size):
            message = f"The archive unpacks to more than {RATIO} times its size."
            raise _invalid(message, "archive_bomb", limit=RATIO)

    def _take(self, entry: _Entry) -> None:
        self._entries += 1
        if self._entries > ENTRIES:
            message = f"The archive holds more than {ENTRIES} files."
            raise EngineError("source_too_large", message, detail="archive_many_files", limit=ENTRIES)
        path = _checked_path(entry.path)
        if not path:
            return
        if skipped := LEFT_OUT.intersection(path.split("/")):
            self._left_out |= skipped
            return
        kind = stat.S_IFMT(entry.mode)
        folder = kind == stat.S_IFDIR
        if self._seen.get(path) is not None:
            if folder and self._seen[path]:
                return
            message = f"Two files in the archive are called {_shown(path)}."
            raise _invalid(message, "archive_twice", path=_shown(path))
        self._enter(posixpath.dirname(path))
        self._seen[path] = folder
        if folder:
            self._mkdir(path)
        elif kind == stat.S_IFLNK or entry.hard:
            self._links.append(_Entry(path, entry.mode, entry.link, hard=entry.hard))
            self.files += 1
        elif kind == stat.S_IFREG and entry.content is not None:
            self._write(path, entry.content, executable=bool(entry.mode & 0o100))
            self.files += 1
        else:
            message = f"{_shown(path)} is neither a file, a folder nor a link: a device, a pipe or a socket."
            raise _invalid(message, "archive_device", path=_shown(path))

    def _enter(self, folder: str) -> None:
        """The folders above an entry, which an archive need not name."""
        if not folder or self._seen.get(folder):
            return
        if folder in self._seen:
            message = f"{_shown(folder)} is a folder in the archive, and a file or link as well."
            raise _invalid(message, "archive_twice", path=_shown(folder))
        self._enter(posixpath.dirname(folder))
        self._seen[folder] = True
        self._mkdir(folder)

    def _mkdir(self, path: str) -> None:
        if self.target is not None:
            (self.target / path).mkdir(mode=0o755)

    def _write(self, path: str, content: IO[bytes], *, executable: bool) -> None:
        # No link is there yet, so no path leads out of the folder.
        self.count(512)
        with open(os.devnull if self.target is None else self.target / path, "wb") as into:
            while piece := content.read(CHUNK):
                self.count(len(piece))
                into.write(piece)
        if self.target is not None:
            (self.target / path).chmod(0o755 if executable else 0o644)

    def _link(self, entry: _Entry, links: set[str]) -> None:
        if entry.hard:
            original = _checked_path(entry.link)
            if self._seen.get(original) is not False or original in links:
                raise self._leads_out(entry)
            if self.target is not None:
                with open(self.target / original, "rb") as content:
                    executable = bool((self.target / original).stat().st_mode & 0o100)
                    self._write(entry.path, content, executable=executable)
            return
        end = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), entry.link))
        out = entry.link.startswith("/") or end == ".." or end.startswith("../")
        if out or not entry.link or len(entry.link) > PATH_BYTES or "\0" in entry.link:
            raise self._leads_out(entry)
        if self.target is not None:
            os.symlink(entry.link, self.target / entry.path)

    def _check_links(self, base: str) -> None:
        """Only once all is there can be told where a link leads over other links."""
        assert self.target is not None
        for link in self._links:
            real = os.path.realpath(self.target / link.path)
            if real != base and not real.startswith(f"{base}/"):
                raise self._leads_out(link)

    def _leads_out(self, entry: _Entry) -> EngineError:
        message = f"{_shown(entry.path)} is a link that leads out of the archive."
        return _invalid(message, "archive_link", path=_shown(entry.path))


def top_folder(tree: Path) -> Path:
    """Where the source begins: many archives hold all of it in one folder."""
    found = list(tree.iterdir())
    only = found[0] if len(found) == 1 else None
    return only if only is not None and only.is_dir() and not only.is_symlink() else tree


def too_large(limit: int) -> EngineError:
    message = f"What the archive holds is larger than the {human_size(limit)} allowed."
    return EngineError("source_too_large", message, detail="archive_too_large", limit_bytes=limit)


class _Counted(io.RawIOBase):
    """What is read of a tar, headers included: those may be made to fill the memory."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file, self._left, self._most = file, most, most

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size if size >= 0 else CHUNK)
        self._left -= len(piece)
        if self._left < 0:
            raise too_large(self._most)
        return piece


def _of_tar(unpacking: Unpacking, kind: str) -> Iterator[_Entry]:
    # Besides its content each entry has headers.
    most = unpacking.max_bytes + ENTRIES * 2048
    with open(unpacking.archive, "rb") as raw:
        file: IO[bytes] = gzip.GzipFile(fileobj=raw) if kind == "tar.gz" else raw  # type: ignore[assignment]
        with tarfile.open(fileobj=_Counted(file, most), mode="r|", encoding="utf-8") as tar:
            for member in tar:
                if member.isdir():
                    yield _Entry(member.name, stat.S_IFDIR)
                elif member.issym():
                    yield _Entry(member.name, stat.S_IFLNK, member.linkname)
                elif member.islnk():
                    yield _Entry(member.name, stat.S_IFREG, member.linkname, hard=True)
                elif member.isreg():
                    yield _Entry(member.name, stat.S_IFREG | member.mode, content=tar.extractfile(member))
                else:
                    yield _Entry(member.name, stat.S_IFCHR)


def _of_zip(path: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.flag_bits & 0x1:
                raise _invalid("The archive is protected by a password.", "archive_encrypted")
            if member.compress_type not in _PACKED_ZIP:
                raise _invalid("The archive is packed in a way that is not supported.", "archive_packing")
            mode = member.external_attr >> 16
            kind = stat.S_IFMT(mode)
            if member.is_dir() or kind == stat.S_IFDIR:
                yield _Entry(member.filename, stat.S_IFDIR)
                continue
            with archive.open(member) as content:
                if kind == stat.S_IFLNK:
                    link = content.read(PATH_BYTES + 1).decode("utf-8")
                    yield _Entry(member.filename, stat.S_IFLNK, link)
                else:
                    # Archives of other systems know no kinds.
                    yield _Entry(member.filename, mode if kind else mode | stat.S_IFREG, content=content)


def _checked_path(name: str) -> str:
    """As it is below the folder; empty for the folder itself."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or (len(name) > 1 and name[1] == ":"):
        message = f"{_shown(name)} would be written outside of the folder that the archive is unpacked to."
        raise _invalid(message, "archive_outside", path=_shown(name))
    path = "/".join(parts)
    odd = not path.isprintable() or "\\" in path or any("\ud800" <= sign <= "\udfff" for sign in path)
    if odd or any(len(os.fsencode(part)) > NAME_BYTES for part in parts) or len(path) > PATH_BYTES:
        message = f"{_shown(name)} has signs in its name that are not possible here, or is too long."
        raise _invalid(message, "archive_name", path=_shown(name))
    if len(parts) > DEPTH:
        message = f"The archive's folders are nested more than {DEPTH} deep."
        raise _invalid(message, "archive_deep", limit=DEPTH)
    return path


def _shown(path: str) -> str:
    return clean_line(path.encode("utf-8", "replace"))[:200]


def _invalid(message: str, detail: str, **values: str | int) -> EngineError:
    return EngineError("archive_invalid", message).about({"detail": detail, **values})


def _damaged() -> EngineError:
    return _invalid("The archive is damaged or not complete.", "archive_damaged")
