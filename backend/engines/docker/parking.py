"""Releases that are put away while the panel is down: nothing of them is left in the daemon but their images.

What a release was started with is kept in the home, sealed, for a Swarm secret cannot be read back. A parked
one has a mark beside it, which says at which address it was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from backend.engines.base import EngineError, ReleaseSpec, Unit, UnitState
from backend.engines.docker.remembered import from_json, to_json
from backend.engines.docker.states import STOPPED
from backend.engines.layout import Layout, read_json
from backend.engines.scale import WEB, split_name, unit_name
from backend.engines.sealed import SealBroken, seal, unseal, write_atomically


class Parking:
    def __init__(self, layout: Layout, secret: bytes) -> None:
        self._layout, self._secret = layout, secret

    def remember(self, spec: ReleaseSpec) -> None:
        """That this is what the release is started with."""
        path = self._sealed(spec.deployment_id)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, seal(self._secret, spec.deployment_id, to_json(spec)))

    def park(self, units: Sequence[Unit]) -> bool:
        """Mark a release, all of whose units they are; False if nobody knows what it was started with."""
        first = units[0]
        if not self._sealed(first.deployment_id).exists():
            return False
        mark = {"service_id": first.service_id, "units": {unit.name: unit.address for unit in units}}
        write_atomically(self._mark(first.deployment_id), json.dumps(mark).encode())
        return True

    def recall(self, deployment_id: str) -> ReleaseSpec | None:
        """Of a parked release. Raises `release_missing` when it cannot be read any more."""
        if not self._mark(deployment_id).exists():
            return None
        try:
            content = unseal(self._secret, deployment_id, self._sealed(deployment_id).read_bytes())
        except (OSError, SealBroken):
            message = "What this release was started with is lost; deploy again."
            raise EngineError("release_missing", message, detail="release_removed") from None
        return from_json(content)

    def of(self, deployment_id: str) -> list[Unit]:
        """The units of a parked release as ones that are stopped."""
        mark = read_json(self._mark(deployment_id))
        if mark is None:
            return []
        return [
            Unit(
                deployment_id,
                mark["service_id"],
                UnitState.STOPPED,
                address,
                reason=STOPPED,
                listening=False if address else None,
                process=process,
                replica=replica,
            )
            # Before there were several, a release had one address.
            for name, address in mark.get("units", {unit_name(WEB, 1): mark.get("address")}).items()
            for process, replica in (split_name(name),)
        ]

    def units(self) -> list[Unit]:
        return [unit for at in self._layout.all_deployments() for unit in self.of(at.id)]

    def leave(self, deployment_id: str) -> None:
        self._mark(deployment_id).unlink(missing_ok=True)

    def _sealed(self, deployment_id: str) -> Path:
        return self._layout.deployment(deployment_id).folder / "release.sealed"

    def _mark(self, deployment_id: str) -> Path:
        return self._layout.deployment(deployment_id).folder / "parked.json"
