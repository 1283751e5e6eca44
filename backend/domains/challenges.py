"""Answers to challenges over http: files that the edge serves at /.well-known/acme-challenge/ of every host.

Their names cannot be guessed, so a file need not say for which host it is.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.config import Settings

PATH = "/.well-known/acme-challenge"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)
_FORGOTTEN_SECONDS = 86_400.0


class HttpChallenges:
    def __init__(self, settings: Settings) -> None:
        self._folder = settings.edge_challenges_dir

    def present(self, token: str, content: str) -> None:
        if not _NAME.fullmatch(token):
            raise ValueError("a challenge's token is no name of a file")
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        draft = self._folder / f".{secrets.token_hex(8)}"
        draft.write_text(content)
        # Nothing in it is secret, and the edge may run as somebody else.
        draft.chmod(0o644)
        draft.replace(self._folder / token)

    def clear(self, token: str) -> None:
        if _NAME.fullmatch(token):
            (self._folder / token).unlink(missing_ok=True)

    @contextmanager
    def echo(self) -> Iterator[tuple[str, str]]:
        """A path, and what whoever asks this edge for it is told while this lasts."""
        token, said = f"gavan-{secrets.token_urlsafe(24)}", secrets.token_urlsafe(24)
        self.present(token, said)
        try:
            yield f"{PATH}/{token}", said
        finally:
            self.clear(token)

    def sweep(self) -> None:
        """Remove what a killed worker left."""
        before = time.time() - _FORGOTTEN_SECONDS
        for path in self._folder.glob("*") if self._folder.is_dir() else ():
            if _older(path, before):
                path.unlink(missing_ok=True)


def _older(path: Path, than: float) -> bool:
    try:
        return path.stat().st_mtime < than
    except FileNotFoundError:
        return False
