"""Follows the headers of a layer's tar, while it is fetched, for what would fill a disk all the same.

A file can be described as a few bytes with terabytes of nothing around them: of the archive that costs a
header, and the daemon writes all of it. It reads with Go's `archive/tar`, so what counts is how that reads.
"""

from __future__ import annotations

from backend.engines.imageregistry import damaged

BLOCK = 512
LONGEST_NOTE = 1 << 20
"""Bytes of what a header says about the next one; Go takes no more either."""
MOST_FILES = 1_000_000
"""In all layers together, for a disk has only so many."""
_WITHOUT_CONTENT = b"123456"
_NOTES = b"xgLK"
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")


class Unfit(Exception):
    """Says why the daemon is not given it."""


def check_plain(beginning: bytes) -> None:
    """Of a layer that is said not to be packed: the daemon looks for itself, and would unpack it."""
    skippable = beginning[1:4] == b"\x2a\x4d\x18" and beginning[0] & 0xF0 == 0x50
    if skippable or beginning.startswith(_PACKED):
        raise damaged("a layer is not packed as its manifest says")


class LayerTar:
    def __init__(self) -> None:
        self.files = 0
        self._skip = 0
        self._block = bytearray()
        self._wanted = BLOCK
        self._note = b""
        """Which one is being read, with its padding."""
        self._note_size = 0
        self._size: int | None = None
        """What a note says of the next entry: its size, and whether its name is a folder's."""
        self._folder = False
        self._over = False

    def feed(self, data: bytes) -> None:
        at = 0
        while at < len(data) and not self._over:
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip, at = self._skip - step, at + step
                continue
            piece = data[at : at + self._wanted - len(self._block)]
            self._block += piece
            at += len(piece)
            if len(self._block) == self._wanted:
                block, self._block, self._wanted = bytes(self._block), bytearray(), BLOCK
                if self._note:
                    self._heed(self._note, block[: self._note_size])
                else:
                    self._header(block)

    def _header(self, block: bytes) -> None:
        if not any(block):
            self._over = True
            return
        kind, size = block[156:157], _number(block[124:136])
        if kind == b"S":
            raise Unfit("a layer of it has sparse files")
        if kind in _NOTES:
            if size > LONGEST_NOTE:
                raise damaged("a layer's headers are too long")
            self._note, self._note_size = kind, size
            self._wanted = size + -size % BLOCK
            if not size:
                self._heed(kind, b"")
            return
        self.files += 1
        size = self._size if self._size is not None else size
        named_folder = self._folder or block[:100].partition(b"\0")[0].endswith(b"/")
        if kind == b"\0" and named_folder and size:
            raise damaged("a folder in a layer has content")
        self._skip = 0 if kind in _WITHOUT_CONTENT else size + -size % BLOCK
        self._size, self._folder = None, False

    def _heed(self, kind: bytes, content: bytes) -> None:
        self._note, self._wanted = b"", BLOCK
        if kind in b"LK":
            self._folder |= kind == b"L" and content.partition(b"\0")[0].endswith(b"/")
            return
        said = _records(content)
        if any(name.startswith(b"GNU.sparse.") for name in said):
            raise Unfit("a layer of it has sparse files")
        if kind == b"g":
            # Go says it, and goes on as if it had not been there.
            self._size, self._folder = None, False
            return
        self._folder |= said.get(b"path", b"").endswith(b"/")
        size = said.get(b"size", b"")
        if size and not size.isdigit():
            raise damaged("a layer's headers are not valid")
        self._size = int(size[:20]) if size else None


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        if field[0] & 0x40:
            raise damaged("a layer's headers are not valid")
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    digits = field.strip(b" \0").partition(b"\0")[0]
    if not all(sign in b"01234567" for sign in digits):
        raise damaged("a layer's headers are not valid")
    return int(digits, 8) if digits else 0


def _records(content: bytes) -> dict[bytes, bytes]:
    found, at = {}, 0
    while at < len(content):
        length, blank, _ = content[at : at + 20].partition(b" ")
        end = at + int(length) if blank and length.isdigit() else 0
        record = content[at + len(length) + 1 : end]
        if end > len(content) or not record.endswith(b"\n") or b"=" not in record:
            raise damaged("a layer's headers are not valid")
        name, _, value = record[:-1].partition(b"=")
        found[name], at = value, end
    return found
