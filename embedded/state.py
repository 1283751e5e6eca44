"""What the last successful `make up` ran, so that the next one changes only what is different."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embedded.layout import Layout

CODE = ("backend", "embedded", "migrations", "alembic.ini", "pyproject.toml", "requirements.txt", ".env")


def stamp(layout: Layout) -> str:
    """A digest of everything that the panel's own processes are made of."""
    digest = hashlib.sha256(sys.version.encode())
    for path in _files(layout.root):
        digest.update(f"{path.relative_to(layout.root)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    for name in CODE:
        path = root / name
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def load(layout: Layout) -> dict[str, Any]:
    try:
        return dict(json.loads((layout.home / "up.json").read_text()))
    except (OSError, ValueError):
        return {}


def save(layout: Layout, **changes: Any) -> None:
    target = layout.home / "up.json"
    draft = target.with_suffix(".draft")
    draft.write_text(json.dumps({**load(layout), **changes}))
    draft.replace(target)
