"""A command that runs once on each of some nodes: a task that is no release, known by labels of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from docker import APIClient
from docker.types import ContainerSpec, Resources, RestartPolicy, ServiceMode, TaskTemplate

MEMORY = 64 * 2**20


def begin(
    client: APIClient,
    name: str,
    image: str,
    command: Sequence[str],
    labels: Mapping[str, str],
    *,
    networks: list[dict[str, str]] | None = None,
    constraints: list[str] | None = None,
    **container: Any,
) -> None:
    """As the service `name`, with what `ContainerSpec` takes beside. It is not waited for."""
    spec = ContainerSpec(
        image, command=command, read_only=True, cap_drop=["ALL"], labels=dict(labels), **container
    )
    task = TaskTemplate(
        spec,
        resources=Resources(mem_limit=MEMORY),
        restart_policy=RestartPolicy("none"),
        placement={"Constraints": constraints} if constraints else None,
        networks=networks,
        log_driver={"Name": "json-file"},
    )
    client.create_service(task, name=name, labels=dict(labels), mode=ServiceMode("global"))


def said(client: APIClient, name: str) -> list[bytes]:
    """Lines of all its tasks."""
    return b"".join(client.service_logs(name, stdout=True)).splitlines()
