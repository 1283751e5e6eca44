"""The build context: what of a repository is sent to the daemon, and the engine's own files beside it."""

from __future__ import annotations

import io
import os
import posixpath
import stat
import tarfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from backend.engines import detect
from backend.engines.docker.ignore import LONGEST, Ignore, Place, invalid

IGNORE_FILE = ".dockerignore"
WALK_SECONDS = 120
DOCKERFILE = ".gavan.dockerfile"
"""Is taken out of the context again by the daemon, as a .dockerignore names it."""


def write(
    file: IO[bytes], root: Path, dockerfile: str, *, folder: str, extra: Mapping[str, bytes]
) -> list[str]:
    """A tar of the tree, under `folder`, with the Dockerfile and the `extra` files.

    Owners and file modes are made uniform, so that the layer cache compares contents alone. Returns
    the links that were left out because they lead out of the tree.
    """
    ignored = detect.read_text(root, IGNORE_FILE, LONGEST) or ""
    walk = _Walk(root, Ignore(ignored))
    own = {
        IGNORE_FILE: f"{IGNORE_FILE}\n{DOCKERFILE}\n".encode(),
        DOCKERFILE: dockerfile.encode(),
        **extra,
    }
    left_out = []
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in own.items():
            _add(tar, name, len(content), io.BytesIO(content))
        for path, info in walk.below("", walk.ignore.root):
            if path in own and not folder:
                continue
            place = posixpath.join(folder, path)
            if stat.S_ISLNK(info.st_mode):
                target = os.readlink(root / path)
                if _leads_out(path, target):
                    left_out.append(path)
                else:
                    _add(tar, place, 0, kind=tarfile.SYMTYPE, target=target)
            elif stat.S_ISDIR(info.st_mode):
                _add(tar, place, 0, kind=tarfile.DIRTYPE, executable=True)
            elif stat.S_ISREG(info.st_mode):
                descriptor = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW)
                with open(descriptor, "rb") as source:
                    executable = bool(info.st_mode & 0o100)
                    _add(tar, place, info.st_size, source, executable=executable, changed=int(info.st_mtime))
    return left_out


def write_files(file: IO[bytes], contents: Mapping[str, bytes]) -> None:
    """A tar of just these."""
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in contents.items():
            _add(tar, name, len(content), io.BytesIO(content))


class _Walk:
    """Through a tree; its owner's patterns are tried on each of its files, for as long as is reasonable."""

    def __init__(self, root: Path, ignore: Ignore) -> None:
        self._root, self.ignore = root, ignore
        self._deadline = time.monotonic() + WALK_SECONDS

    def below(self, folder: str, at: Place) -> Iterator[tuple[str, os.stat_result]]:
        """Paths in order; a folder comes before what it holds, and links are not followed."""
        with os.scandir(self._root / folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            if time.monotonic() > self._deadline:
                raise invalid("its patterns take too long with so many files")
            path = posixpath.join(folder, entry.name)
            info = entry.stat(follow_symlinks=False)
            place = self.ignore.below(at, entry.name)
            if not place.left_out:
                yield path, info
            if stat.S_ISDIR(info.st_mode) and (not place.left_out or self.ignore.keeps_some):
                yield from self.below(path, place)


def _leads_out(path: str, target: str) -> bool:
    end = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return target.startswith("/") or end == ".." or end.startswith("../")


def _add(
    tar: tarfile.TarFile,
    name: str,
    size: int,
    source: IO[bytes] | None = None,
    *,
    kind: bytes = tarfile.REGTYPE,
    target: str = "",
    executable: bool = False,
    changed: int = 0,
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size, entry.mtime = kind, target, size, changed
    entry.mode = 0o755 if executable else 0o644
    tar.addfile(entry, source)
