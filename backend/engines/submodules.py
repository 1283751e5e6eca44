"""Submodules: which a commit names, and where their repositories are."""

from __future__ import annotations

import io
from dataclasses import replace

from dulwich.config import ConfigFile, parse_submodules
from dulwich.objects import Blob, ObjectID, Tree

from backend.engines.addresses import Remote, parse_remote
from backend.engines.checkout import Read, malformed

FILE = b".gitmodules"
FILE_BYTES = 64 * 1024
DEPTH, MOST = 5, 50


def addresses(read: Read, tree_id: ObjectID) -> dict[bytes, str]:
    """Path → address, by the commit's `.gitmodules`; entries without either are left out, as git does."""
    tree = read(tree_id)
    if not isinstance(tree, Tree) or FILE not in tree:
        return {}
    content = read(tree[FILE][1])
    if not isinstance(content, Blob) or len(content.data) > FILE_BYTES:
        raise malformed("its .gitmodules is no file, or too large")
    try:
        # Without includes: they would name files of this machine.
        config = ConfigFile.from_file(io.BytesIO(content.data), expand_includes=False)
    except ValueError:
        raise malformed("its .gitmodules cannot be read") from None
    return {
        path.strip(b"/"): url.decode("utf-8", "surrogateescape") for path, url, _ in parse_submodules(config)
    }


def locate(url: str, parent: Remote) -> Remote:
    """Where a submodule of `parent` is. Raises `source_forbidden`, `source_unreachable`.

    One that is named by ssh is asked for as its parent is, when that is read from the same host by https:
    so a token, or nothing, suffices for both, as on the servers of the forges themselves.
    """
    if url.startswith(("./", "../")):
        return replace(parent, path=_joined(parent.path, url))
    remote = parse_remote(url)
    if remote.scheme == "ssh" and parent.scheme != "ssh" and remote.host == parent.host:
        return replace(parent, path="/" + remote.path.lstrip("/"))
    return remote


def _joined(path: str, relative: str) -> str:
    """Relative to the parent repository, as if that were a folder."""
    begins = "/" if path.startswith("/") else ""
    parts = [part for part in path.split("/") if part]
    for part in relative.split("/"):
        if part == "..":
            if not parts:
                raise malformed("a submodule's address leads out of the server")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if not parts or (not begins and parts[0].startswith("-")):
        raise malformed("a submodule's address is empty")
    return begins + "/".join(parts)
