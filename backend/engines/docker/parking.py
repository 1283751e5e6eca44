"""Releases that are put away while the panel is down: nothing of them is left in the daemon but their images.

What a release was started with is kept in the home, sealed, for a Swarm secret cannot be read back. A parked
one has a mark beside it, which says at which address it was.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from backend.engines.base import EngineError, Limits, ReleaseSpec, Unit, UnitState
from backend.engines.docker.states import STOPPED
from backend.engines.layout import Layout, read_json
from backend.engines.sealed import SealBroken, seal, unseal, write_atomically


class Parking:
    def __init__(self, layout: Layout, secret: bytes) -> None:
        self._layout, self._secret = layout, secret

    def remember(self, spec: ReleaseSpec) -> None:
        """That this is what the release is started with."""
        path = self._sealed(spec.deployment_id)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, seal(self._secret, spec.deployment_id, asdict(spec)))

    def park(self, unit: Unit) -> bool:
        """Mark it; False when nobody remembers what it was started with."""
        if not self._sealed(unit.deployment_id).exists():
            return False
        mark = {"service_id": unit.service_id, "address": unit.address}
        write_atomically(self._mark(unit.deployment_id), json.dumps(mark).encode())
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
        return ReleaseSpec(**{**content, "limits": Limits(**content["limits"])})

    def unit(self, deployment_id: str) -> Unit | None:
        """A parked release as one that is stopped."""
        mark = read_json(self._mark(deployment_id))
        if mark is None:
            return None
        return Unit(deployment_id, reason=STOPPED, state=UnitState.STOPPED, listening=False, **mark)

    def units(self) -> list[Unit]:
        found = (self.unit(at.id) for at in self._layout.all_deployments())
        return [unit for unit in found if unit is not None]

    def leave(self, deployment_id: str) -> None:
        self._mark(deployment_id).unlink(missing_ok=True)

    def _sealed(self, deployment_id: str) -> Path:
        return self._layout.deployment(deployment_id).folder / "release.sealed"

    def _mark(self, deployment_id: str) -> Path:
        return self._layout.deployment(deployment_id).folder / "parked.json"
