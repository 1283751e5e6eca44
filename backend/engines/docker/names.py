"""What the engine's objects in the daemon are called, and the labels by which it knows its own again.

Two installations on one daemon differ in `instance`, and neither touches what bears another's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from backend.engines.layout import checked

INSTANCE = "gavan.instance"
DEPLOYMENT = "gavan.deployment"
SERVICE = "gavan.service"
PROJECT = "gavan.project"
ROUNDS = "gavan.rounds"
"""Of a release that keeps ending: how often it was tried again after a pause."""
BUILD = "gavan.build"
"""Of a build's network: the deployment that is built."""
TASK = "com.docker.swarm.task.id"
"""Swarm's own."""


def release_name(instance: str, deployment_id: str) -> str:
    """Of a release's Swarm service and of its secret: Docker allows 63 signs."""
    return f"gavan-{instance}-{checked(deployment_id)}"


def release_of(instance: str, container: Mapping[str, Any]) -> tuple[str, str] | None:
    """Service and deployment of a container that Swarm made of a release's service; None of any other.

    Labels alone say nothing, for an image can bring its own: the container's name is Swarm's.
    """
    found = container["Labels"] or {}
    try:
        service_id, deployment_id = checked(found.get(SERVICE, "")), checked(found.get(DEPLOYMENT, ""))
    except ValueError:
        return None
    task = found.get(TASK, "")
    name = f"/{release_name(instance, deployment_id)}."
    made = any(given.startswith(name) and given.endswith(f".{task}") for given in container["Names"] or ())
    return (service_id, deployment_id) if task and made else None


def network_name(instance: str, project_id: str) -> str:
    return f"gavan-{instance}-{checked(project_id)}"


def build_network_name(instance: str, deployment_id: str) -> str:
    return f"gavan-{instance}-build-{checked(deployment_id)}"


def image_reference(service_id: str, deployment_id: str) -> str:
    return f"gavan/{checked(service_id)}:{checked(deployment_id)}"


def deployments_of(references: Iterable[str]) -> set[str]:
    """Whose images are called so."""
    found = (reference.rpartition(":") for reference in references)
    return {deployment_id for name, _, deployment_id in found if name.startswith("gavan/")}


def labels(instance: str, **ids: str) -> dict[str, str]:
    """`labels(instance, deployment=…, service=…, project=…)`: never more than ids, for anybody reads them."""
    return {INSTANCE: instance, **{f"gavan.{name}": value for name, value in ids.items()}}


def mine(instance: str, **ids: str) -> dict[str, list[str]]:
    """The filter that finds what was labelled so."""
    return {"label": [f"{name}={value}" for name, value in labels(instance, **ids).items()]}
