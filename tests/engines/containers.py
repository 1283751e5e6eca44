"""The docker engine on a home of its own, on a daemon that others use too."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from docker import APIClient
from docker.errors import APIError

from backend.engines.docker import names
from backend.engines.layout import docker_instance_of


class Containers:
    """What an instance has in the daemon, seen past the engine."""

    def __init__(self, home: Path, host: str) -> None:
        self.home, self.host = home, host
        self.instance = docker_instance_of(home.resolve())
        self.mine = names.mine(self.instance)
        self.client = APIClient(host, version="auto")

    def container(self, deployment_id: str) -> dict[str, object]:
        """Of the release's present life."""
        found = self.client.containers(filters=names.mine(self.instance, deployment=deployment_id))
        assert len(found) == 1
        inspected: dict[str, object] = self.client.inspect_container(found[0]["Id"])
        return inspected

    def left(self, deployment_id: str | None = None) -> list[str]:
        """Everything that bears the label of the instance, or of one of its deployments."""
        client, mine = self.client, self.mine
        if deployment_id is not None:
            mine = names.mine(self.instance, deployment=deployment_id)
        folder = self.home / "deployments" / str(deployment_id)
        return [
            *([str(folder)] if folder.exists() else []),
            *(found["Spec"]["Name"] for found in client.services(filters=mine)),
            *(found["Spec"]["Name"] for found in client.secrets(filters=mine)),
            *(found["Name"] for found in client.networks(filters=mine)),
            *(found["Id"] for found in client.containers(all=True, filters=mine)),
            *(tag for found in client.images(filters=mine) for tag in found["RepoTags"] or ()),
        ]

    def clear(self) -> None:
        client, mine = self.client, self.mine
        for service in client.services(filters=mine):
            client.remove_service(service["ID"])
        deadline = time.monotonic() + 30
        while self.left() and time.monotonic() < deadline:
            for container in client.containers(all=True, filters=mine):
                _try(client.remove_container, container["Id"], force=True)
            for secret in client.secrets(filters=mine):
                _try(client.remove_secret, secret["ID"])
            for network in client.networks(filters=mine):
                _try(client.remove_network, network["Id"])
            for image in client.images(filters=mine):
                _try(client.remove_image, image["Id"], force=True)
            time.sleep(0.1)
        client.close()


def _try(function: object, *arguments: object, **named: object) -> None:
    with contextlib.suppress(APIError):
        function(*arguments, **named)  # type: ignore[operator]


def contained(host: str) -> Iterator[Containers]:
    containers = Containers(Path(tempfile.mkdtemp(prefix="engine-")), host)
    try:
        yield containers
    finally:
        containers.clear()
        shutil.rmtree(containers.home, ignore_errors=True)
