"""What an archive holds, as a few numbers: of each entry its path, kind, size and SHA-256.

The sum of the entries' digests does not depend on their order and takes no memory, however many there are. It
is compared with another sum over the same data, not a defence against forgers: that is what age is for.
"""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import dataclass
from typing import Any

SIZE = 2**20
_ALL = 1 << 256
FOUND_BY_FILE_SYSTEM = "lost+found"


class ArchiveDamaged(Exception):
    """It is no archive, or only a part of one."""


@dataclass(frozen=True, slots=True)
class Manifest:
    digest: str
    entries: int
    content_bytes: int


def read(stream: Any) -> Manifest:
    """Reads it to its end; blocking."""
    total, entries, content = 0, 0, 0
    try:
        with tarfile.open(fileobj=stream, mode="r|", errorlevel=2) as archive:
            for member in archive:
                # It would keep all of them.
                archive.members = []  # type: ignore[attr-defined]
                name = member.name.removeprefix("./").strip("/")
                if name in ("", ".") or name.split("/")[0] == FOUND_BY_FILE_SYSTEM:
                    continue
                total = (total + _digest(archive, member, name)) % _ALL
                entries += 1
                content += member.size if member.isreg() else 0
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ArchiveDamaged(str(error)) from error
    while stream.read(SIZE):
        pass
    return Manifest(f"{total:064x}", entries, content)


def _digest(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> int:
    digest = hashlib.sha256()
    regular = member.isreg()
    kind = b"file" if regular else member.type
    target = member.linkname if member.issym() else member.linkname.removeprefix("./")
    for part in (name.encode("utf-8", "surrogateescape"), kind, target.encode("utf-8", "surrogateescape")):
        digest.update(len(part).to_bytes(4, "big") + part)
    if regular:
        digest.update(member.size.to_bytes(8, "big"))
        content = archive.extractfile(member)
        assert content is not None
        while chunk := content.read(SIZE):
            digest.update(chunk)
    return int.from_bytes(digest.digest(), "big")
