"""A whole installation whose services are containers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient

from backend.engines.docker import names
from backend.engines.layout import docker_instance_of
from tests.support import reaper
from tests.support.customer import Customer
from tests.support.dockerhost import docker_host
from tests.support.gates import GatedGit
from tests.support.mailserver import MailServer, SmsServer
from tests.support.ports import edge_port
from tests.support.sshgitserver import SshGitServer
from tests.support.stack import Stack, end, start


@dataclass
class ContainerStack(Stack):
    docker: APIClient
    template_registry: str
    """Where it takes templates' images from; a test that needs them begins a registry there."""

    def containers(self, deployment_id: str) -> list[dict[str, Any]]:
        """Those that run for a deployment."""
        return list(self.docker.containers(filters=self._mine(deployment=deployment_id)))

    def images(self) -> list[str]:
        """Tags of everything that this installation built."""
        found = self.docker.images(filters=self._mine())
        return [tag for image in found for tag in image["RepoTags"] or ()]

    def volumes(self, service_id: str) -> set[str]:
        """Ids of all that there are for a service, scratch volumes too."""
        found = self.docker.volumes(filters=self._mine(service=service_id))["Volumes"] or ()
        return {volume["Labels"]["gavan.volume"] for volume in found}

    def left(self) -> list[str]:
        """What it has in the daemon beside images."""
        mine, docker = self._mine(), self.docker
        return [
            *(found["Spec"]["Name"] for found in docker.services(filters=mine)),
            *(found["Spec"]["Name"] for found in docker.secrets(filters=mine)),
            *(found["Name"] for found in docker.networks(filters=mine)),
            *(found["Names"][0] for found in docker.containers(all=True, filters=mine)),
        ]

    def _mine(self, **ids: str) -> dict[str, list[str]]:
        return names.mine(docker_instance_of(self.layout.engine.resolve()), **ids)


@pytest.fixture(scope="session")
def whole_container_stack(
    gated_git: GatedGit, ssh_git: SshGitServer, mail_server: MailServer, sms_server: SmsServer
) -> Iterator[ContainerStack]:
    host, registry = docker_host(), f"127.0.0.1:{edge_port()}"
    folder = Path(tempfile.mkdtemp(prefix="gd-"))
    reaper.watch(folder)
    made = start(
        *(folder, gated_git, ssh_git, mail_server, sms_server),
        ENGINE="docker",
        DOCKER_HOST=host,
        DOCKER_SWARM_ADDRESS="127.0.0.1",
        # What never answers is given up sooner.
        HEALTH_TIMEOUT_SECONDS="15",
        BACKUP_DIR=str(folder / "b"),
        # Its rules are the whole machine's, where other tests are at work.
        NODE_FIREWALL="off",
        TEMPLATE_REGISTRY=registry,
        ALLOWED=registry,
    )
    docker = APIClient(host, version="auto")
    stack = ContainerStack(made.layout, made.env, made.git, docker, registry)
    yield stack
    gated_git.open_all()
    end(stack, folder)
    left = stack.left()
    for image in stack.images():
        docker.remove_image(image, force=True)
    docker.close()
    shutil.rmtree(folder, ignore_errors=True)
    assert left == []


@pytest.fixture
async def container_stack(whole_container_stack: ContainerStack) -> AsyncIterator[ContainerStack]:
    await whole_container_stack.healthy()
    yield whole_container_stack
    whole_container_stack.git.open_all()


@pytest.fixture
async def container_customer(container_stack: ContainerStack) -> AsyncIterator[Customer]:
    somebody = await container_stack.customer()
    yield somebody
    await somebody.delete_everything()
    await somebody.close()
