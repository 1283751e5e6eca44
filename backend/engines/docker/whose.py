"""Which unit a container or a task is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.engines.docker import names
from backend.engines.layout import checked
from backend.engines.scale import WEB


@dataclass(frozen=True, slots=True)
class UnitIds:
    deployment_id: str
    service_id: str
    process: str = WEB
    replica: int = 1


def unit_of(instance: str, container: Mapping[str, Any]) -> UnitIds | None:
    """None for a container that is not a release's."""
    found = names.release_of(instance, container)
    if found is None:
        return None
    service_id, deployment_id, process, replica = found
    return UnitIds(deployment_id, service_id, process, replica)


def unit_of_task(instance: str, task: Mapping[str, Any]) -> UnitIds | None:
    labels = task["Spec"].get("ContainerSpec", {}).get("Labels") or {}
    if labels.get(names.INSTANCE) != instance:
        return None
    try:
        deployment_id, service_id = (
            checked(labels.get(names.DEPLOYMENT, "")),
            checked(labels.get(names.SERVICE, "")),
        )
    except ValueError:
        return None
    return UnitIds(deployment_id, service_id, *names.unit_of(labels))
