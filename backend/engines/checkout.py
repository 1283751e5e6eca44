"""Writes a commit's tree to disk without trusting it: no hooks, no filters, nothing outside the folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from dulwich.objects import Blob, Commit, ObjectID, ShaFile, Tag, Tree

from backend.engines.errors import EngineError
from backend.engines.gitguard import too_large
from backend.engines.text import clean_line

DEPTH, ENTRIES, NAME_BYTES = 60, 100_000, 255
GITLINK = 0o160000

Read = Callable[[ObjectID], ShaFile]
Say = Callable[[str], None]


def malformed(detail: str) -> EngineError:
    return EngineError("source_unreachable", f"The repository is damaged: {detail}.", detail="damaged")


def find_commit(read: Read, object_id: ObjectID) -> Commit:
    """The commit that a branch or (annotated) tag names."""
    for _ in range(10):
        found = read(object_id)
        if isinstance(found, Commit):
            return found
        if not isinstance(found, Tag):
            break
        object_id = found.object[1]
    raise malformed("its branch does not lead to a commit")


def find_folder(read: Read, tree_id: ObjectID, path: str) -> ObjectID:
    """The tree of the folder `path` (`""` or `apps/web`). Raises `source_root_missing`.

    It is looked up among the commit's objects: neither `..` nor a link leads anywhere there.
    """
    for part in filter(None, path.split("/")):
        tree = read(tree_id)
        if not isinstance(tree, Tree):
            raise malformed("a folder is not a folder")
        try:
            mode, tree_id = tree[part.encode("utf-8", "surrogatepass")]
        except KeyError:
            mode = 0
        if not stat.S_ISDIR(mode):
            shown = clean_line(path.encode("utf-8", "replace"))[:200]
            message = f"The repository has no folder {shown} at this commit."
            missing = EngineError("source_root_missing", message, root=shown)
            if stat.S_ISLNK(mode):
                missing.message += " There is a link of this name, and links are not followed."
                missing.about({"because": "root_is_link"})
            elif stat.S_IFMT(mode) == GITLINK:
                missing.message += " It leads into a submodule: deploy that repository itself."
                missing.about({"because": "root_is_submodule"})
            raise missing
    return tree_id


class Checkout:
    """Fills the new folder `target`, with a repository's tree and then with those of its submodules."""

    def __init__(self, target: Path, max_bytes: int, say: Say) -> None:
        self._target, self._max_bytes, self._say = target, max_bytes, say
        self._read: Read
        self._submodules: dict[bytes, ObjectID]
        self._entries = 0
        self._links: list[bytes] = []
        self.written = 0
        target.mkdir()

    def write(self, read: Read, tree_id: ObjectID, at: bytes = b"") -> dict[bytes, ObjectID]:
        """Write a tree into the folder `at`; the submodules that it names by path, as empty folders."""
        self._read, self._submodules = read, {}
        folder = os.open(self._target, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in filter(None, at.split(b"/")):
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            self._folder(folder, tree_id, at + b"/" if at else b"", at.count(b"/"))
        finally:
            os.close(folder)
        return self._submodules

    def finish(self) -> None:
        """Leave out the links that lead out of the target: known once everything is written."""
        for path in self._links:
            _drop_outward_link(os.fsencode(self._target), path, self._say)

    def _folder(self, parent: int, tree_id: ObjectID, path: bytes, depth: int) -> None:
        tree = self._read(tree_id)
        if not isinstance(tree, Tree):
            raise malformed("a folder is not a folder")
        if depth > DEPTH:
            raise malformed(f"folders are nested more than {DEPTH} deep")
        for name, mode, object_id in tree.iteritems():
            self._entries += 1
            if self._entries > ENTRIES:
                message = f"The repository has more than {ENTRIES} files."
                raise EngineError("source_too_large", message, detail="too_many_files", limit=ENTRIES)
            if name is None or mode is None or object_id is None or not _is_safe(name):
                raise malformed(f"a file is called {clean_line(name or b'')[:100]!r}")
            try:
                self._entry(parent, name, mode, object_id, path + name, depth)
            except FileExistsError:
                raise malformed(f"two files are called {clean_line(name)!r}") from None

    def _entry(
        self, parent: int, name: bytes, mode: int, object_id: ObjectID, path: bytes, depth: int
    ) -> None:
        if stat.S_ISDIR(mode):
            os.mkdir(name, 0o755, dir_fd=parent)
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
            try:
                self._folder(inner, object_id, path + b"/", depth + 1)
            finally:
                os.close(inner)
        elif stat.S_IFMT(mode) == GITLINK:
            os.mkdir(name, 0o755, dir_fd=parent)
            self._submodules[path] = object_id
        else:
            blob = self._read(object_id)
            if not isinstance(blob, Blob):
                raise malformed("a file is not a file")
            content = blob.data
            self.written += max(len(content), 1024)
            if self.written > self._max_bytes:
                raise too_large(self._max_bytes)
            if stat.S_ISLNK(mode):
                self._link(parent, name, content, path)
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            file = os.open(name, flags, 0o755 if mode & 0o100 else 0o644, dir_fd=parent)
            with open(file, "wb") as stream:
                stream.write(content)

    def _link(self, parent: int, name: bytes, destination: bytes, path: bytes) -> None:
        if not destination or b"\0" in destination or len(destination) > 4000 or destination.startswith(b"/"):
            self._say(f"The link {clean_line(path)} leads out of the repository; it is left out")
            return
        os.symlink(destination, name, dir_fd=parent)
        self._links.append(path)


def _is_safe(name: bytes) -> bool:
    return (
        bool(name)
        and name not in (b".", b"..")
        and b"/" not in name
        and b"\0" not in name
        and len(name) <= NAME_BYTES
        and name.lower() != b".git"
    )


def _drop_outward_link(root: bytes, path: bytes, say: Say) -> None:
    """Only once everything is written can be told where a link leads over other links."""
    link = os.path.join(root, path)
    base = os.path.realpath(root)
    real = os.path.realpath(link)
    if real != base and not real.startswith(base + b"/"):
        os.unlink(link)
        say(f"The link {clean_line(path)} leads out of the repository; it is left out")
