"""An uploaded archive as a source: looked at when it comes, unpacked when it is deployed."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend.engines.errors import EngineError
from backend.engines.text import human_size
from backend.engines.unpacking import Unpacking, top_folder


class ArchiveFetch:
    def __init__(self, request: dict[str, Any], say: Callable[[str], None]) -> None:
        self._request, self._say = request, say
        self._archive = Path(request["archive"])

    def look(self) -> dict[str, Any]:
        found = Unpacking(self._archive, None, self._request["max_bytes"], self._say)
        found.run()
        return {"commit": None, "kind": "archive", "host_key": None, "files": found.files}

    def fetch(self) -> dict[str, str | None]:
        request = self._request
        folder = Path(request["folder"])
        if not self._archive.is_file():
            message = "The uploaded archive is no longer there: upload it again."
            raise EngineError("source_not_found", message, detail="archive_gone")
        with open(self._archive, "rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if digest != request["commit"]:
            message = "The uploaded archive is not what it was: upload it again."
            raise EngineError("source_not_found", message, detail="archive_changed")
        self._say(f"Unpacking {request['url']}, {digest}")
        unpacked = folder / "unpacked"
        unpacked.mkdir()
        unpacking = Unpacking(self._archive, unpacked, request["max_bytes"], self._say)
        unpacking.run()
        source = top_folder(unpacked)
        if source != unpacked:
            self._say(f"All of it is in the folder {source.name}, which is taken as the source")
        os.rename(_below(source, request.get("root") or ""), folder / "tree")
        shutil.rmtree(unpacked, ignore_errors=True)
        self._say(f"{unpacking.files} files, {human_size(unpacking.written)}")
        return {"commit": None, "subject": None, "host_key": None, "digest": digest}


def _below(source: Path, root: str) -> Path:
    place = source
    for part in filter(None, root.split("/")):
        place /= part
        if place.is_symlink() or not place.is_dir():
            message = f"The archive has no folder {root}."
            raise EngineError("source_root_missing", message, detail="archive_root", root=root)
    return place
