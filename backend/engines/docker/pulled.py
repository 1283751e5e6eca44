"""Which of the daemon's images were fetched for builds: those, and no others, any build may take."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from backend.engines.layout import Layout, read_json
from backend.engines.sealed import write_atomically

LOCK = "pulled"


@dataclass(frozen=True, slots=True)
class Pulled:
    id: str
    fetched: float
    used: float


class PulledImages:
    """A file in the engine's home, shared by its processes. The methods wait for its lock."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @property
    def _path(self) -> Path:
        return self._layout.home / "pulled.json"

    def use(self, image: str, identity: str) -> Pulled | None:
        """How it was fetched, if what the name stands for now was; notes that it is in use."""
        with self._layout.locked(LOCK):
            known = self._read()
            if (found := known.get(image)) is None or found.id != identity:
                return None
            self._write({**known, image: Pulled(found.id, found.fetched, time.time())})
            return found

    def add(self, image: str, identity: str) -> None:
        with self._layout.locked(LOCK):
            self._write({**self._read(), image: Pulled(identity, time.time(), time.time())})

    def forget_unused(self, since: float) -> dict[str, str]:
        """Names and ids of images that no build has taken since then; they are no longer known."""
        with self._layout.locked(LOCK):
            known = self._read()
            unused = {image: found.id for image, found in known.items() if found.used < since}
            if unused:
                self._write({image: found for image, found in known.items() if image not in unused})
            return unused

    def _read(self) -> dict[str, Pulled]:
        return {image: Pulled(**facts) for image, facts in (read_json(self._path) or {}).items()}

    def _write(self, known: dict[str, Pulled]) -> None:
        write_atomically(
            self._path, json.dumps({image: asdict(found) for image, found in known.items()}).encode()
        )
