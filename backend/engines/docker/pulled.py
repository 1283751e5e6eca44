"""Which of the daemon's images were fetched for builds: those, and no others, any build may take."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from backend.engines.layout import Layout, read_json
from backend.engines.sealed import write_atomically

LOCK = "pulled"


@dataclass(frozen=True, slots=True)
class Pulled:
    id: str
    fetched: float
    used: float
    projects: tuple[str, ...] = ()
    """With whose logins it was fetched, and who may take it then; empty for a public one."""

    def is_for(self, project: str) -> bool:
        return not self.projects or project in self.projects


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
            self._write({**known, image: replace(found, used=time.time())})
            return found

    def add(self, image: str, identity: str, project: str | None = None) -> None:
        """`project` whose login was needed for it, perhaps."""
        with self._layout.locked(LOCK):
            known = self._read()
            before = known.get(image)
            same = before.projects if before is not None and before.id == identity else ()
            projects = tuple(sorted({*same, project})) if project else ()
            self._write({**known, image: Pulled(identity, time.time(), time.time(), projects)})

    def forget_unused(self, since: float) -> dict[str, str]:
        """Names and ids of images that no build has taken since then; they are no longer known."""
        with self._layout.locked(LOCK):
            known = self._read()
            unused = {image: found.id for image, found in known.items() if found.used < since}
            if unused:
                self._write({image: found for image, found in known.items() if image not in unused})
            return unused

    def _read(self) -> dict[str, Pulled]:
        return {
            image: Pulled(**{**facts, "projects": tuple(facts.get("projects", ()))})
            for image, facts in (read_json(self._path) or {}).items()
        }

    def _write(self, known: dict[str, Pulled]) -> None:
        write_atomically(
            self._path, json.dumps({image: asdict(found) for image, found in known.items()}).encode()
        )
