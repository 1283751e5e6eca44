"""Where the process engine keeps what it knows of one unit. The first of `web` is where the only one was."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.engines.layout import Deployment, Layout, read_json
from backend.engines.scale import NAME, WEB, split_name, unit_name
from backend.engines.sealed import write_atomically

_FOLDER = re.compile(rf"unit(?:\.({NAME}\.\d+))?")


@dataclass(frozen=True, slots=True)
class Place:
    at: Deployment
    process: str = WEB
    replica: int = 1

    @property
    def _suffix(self) -> str:
        first = (self.process, self.replica) == (WEB, 1)
        return "" if first else f".{unit_name(self.process, self.replica)}"

    @property
    def unit(self) -> str:
        return unit_name(self.process, self.replica)

    @property
    def name(self) -> str:
        """Of its program at supervisord, and in the marker of its processes."""
        return f"{self.at.id}{self._suffix}"

    @property
    def folder(self) -> Path:
        return self.at.folder / f"unit{self._suffix}"

    @property
    def conf(self) -> Path:
        return self.at.layout.units / f"{self.name}.conf"

    @property
    def sealed(self) -> Path:
        return self.folder / "release.sealed"

    @property
    def status(self) -> Path:
        return self.folder / "status"

    def facts(self) -> dict[str, Any] | None:
        """`service_id`, `build_id`, `port`, `stopped`, `log`, `restart`; None when it was never started."""
        return read_json(self.folder / "unit.json")

    def write_facts(self, facts: dict[str, Any]) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self.folder / "unit.json", json.dumps(facts).encode())

    def forget_facts(self) -> None:
        (self.folder / "unit.json").unlink(missing_ok=True)


def places(at: Deployment) -> list[Place]:
    """Those of a deployment's units that were started, `web` first."""
    try:
        names = [match for path in at.folder.iterdir() if (match := _FOLDER.fullmatch(path.name))]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [Place(at, *split_name(match[1])) if match[1] else Place(at) for match in names]
    return sorted(found, key=lambda place: (place.process != WEB, place.process, place.replica))


def place_of(layout: Layout, program: str) -> Place:
    """Whose program at supervisord is called so."""
    deployment_id, _, unit = program.partition(".")
    at = layout.deployment(deployment_id)
    return Place(at, *split_name(unit)) if unit else Place(at)
