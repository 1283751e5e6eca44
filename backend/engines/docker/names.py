"""What the engine's objects in the daemon are called, and the labels by which it knows its own again.

Two installations on one daemon differ in `instance`, and neither touches what bears another's.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from backend.engines import scale
from backend.engines.layout import checked
from backend.engines.scale import WEB

INSTANCE = "gavan.instance"
DEPLOYMENT = "gavan.deployment"
SERVICE = "gavan.service"
PROJECT = "gavan.project"
TASK_ID = "gavan.task"
"""Of what a one-off command has; it bears no deployment."""
PROCESS, REPLICA = "gavan.process", "gavan.replica"
"""Of a unit; without them it is the first of `web`."""
ROUNDS = "gavan.rounds"
"""Of a release that keeps ending: how often it was tried again after a pause."""
BUILD = "gavan.build"
"""Of a build's network: the deployment that is built."""
IMAGE = "gavan.image"
"""Of an image that was fetched as it is: its digest in the registry."""
TASK = "com.docker.swarm.task.id"
"""Swarm's own."""


def release_name(instance: str, deployment_id: str) -> str:
    """Of a release's first Swarm service and of its secret."""
    return f"gavan-{instance}-{checked(deployment_id)}"


def unit_name(instance: str, deployment_id: str, process: str, replica: int) -> str:
    """Of a unit's Swarm service. Docker allows 63 signs, so that others than the first have but a digest."""
    name = release_name(instance, deployment_id)
    if (process, replica) == (WEB, 1):
        return name
    digest = hashlib.sha256(scale.unit_name(process, replica).encode()).digest()
    return f"{name}-{base64.b32encode(digest)[:7].decode().lower()}"


def unit_of(labels: Mapping[str, str]) -> tuple[str, int]:
    """Process and replica."""
    replica = labels.get(REPLICA, "1")
    return labels.get(PROCESS, WEB), int(replica) if replica.isascii() and replica.isdecimal() else 1


def release_of(instance: str, container: Mapping[str, Any]) -> tuple[str, str, str, int] | None:
    """Service, deployment, process and replica of a container that Swarm made of a release's service; None of
    any other.

    Labels alone say nothing, for an image can bring its own: the container's name is Swarm's.
    """
    found = container["Labels"] or {}
    try:
        service_id, deployment_id = checked(found.get(SERVICE, "")), checked(found.get(DEPLOYMENT, ""))
    except ValueError:
        return None
    task = found.get(TASK, "")
    process, replica = unit_of(found)
    name = f"/{unit_name(instance, deployment_id, process, replica)}."
    made = any(given.startswith(name) and given.endswith(f".{task}") for given in container["Names"] or ())
    return (service_id, deployment_id, process, replica) if task and made else None


def task_name(instance: str, task_id: str) -> str:
    """Of a one-off command's Swarm service and of its secret."""
    return f"gavan-{instance}-task-{checked(task_id)}"


def task_file_name(instance: str, task_id: str) -> str:
    """Before a secret file's own digest: all of it has to fit into the 64 signs of a secret's name."""
    return f"gavan-{instance}-task-{hashlib.sha256(checked(task_id).encode()).hexdigest()[:24]}"


def network_name(instance: str, project_id: str) -> str:
    return f"gavan-{instance}-{checked(project_id)}"


def volume_name(instance: str, volume_id: str) -> str:
    """Also of its device's link in /dev."""
    return f"gavan-{instance}-volume-{checked(volume_id)}"


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


def releases(instance: str) -> dict[str, list[str]]:
    """The filter that finds releases, and no tasks."""
    return {"label": [*mine(instance)["label"], DEPLOYMENT]}


def mine(instance: str, **ids: str) -> dict[str, list[str]]:
    """The filter that finds what was labelled so."""
    return {"label": [f"{name}={value}" for name, value in labels(instance, **ids).items()]}
