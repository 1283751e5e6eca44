"""The builder on a real Docker daemon, with trees laid down as if they had been fetched."""

from __future__ import annotations

import contextlib
import os
import ssl
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient
from docker.errors import APIError

from backend.engines.base import BuildSpec, Built, EngineError, Limits
from backend.engines.docker.client import Daemon
from backend.engines.docker.images import Images
from backend.engines.docker.settings import DockerEngineSettings
from backend.engines.layout import Layout
from tests.support.dockerhost import docker_host

LIMITS = Limits(memory_bytes=512 * 2**20, disk_bytes=512 * 2**20, cpu_millis=1000, pids=200)


def lay(root: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


@dataclass
class Yard:
    """`lines` is all that was reported; `client` looks at the daemon past the engine."""

    images: Images
    layout: Layout
    settings: DockerEngineSettings
    client: APIClient
    instance: str
    project: str = field(default_factory=lambda: uuid.uuid4().hex)
    secrets: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    async def report(self, line: str) -> None:
        self.lines.append(line)

    def spec(self, files: Mapping[str, str | bytes], **limits: int) -> BuildSpec:
        """A fetched deployment that is to be built."""
        ids = (str(uuid.uuid4()), str(uuid.uuid4()), self.project)
        spec = BuildSpec(*ids, replace(LIMITS, **limits), secrets=self.secrets)
        lay(self.layout.deployment(spec.deployment_id).source, files)
        return spec

    async def build(self, files: Mapping[str, str | bytes], **limits: int) -> tuple[BuildSpec, Built]:
        spec = self.spec(files, **limits)
        return spec, await self.images.build(spec, self.report)

    async def failing(self, files: Mapping[str, str | bytes], **limits: int) -> EngineError:
        with pytest.raises(EngineError) as caught:
            await self.build(files, **limits)
        return caught.value

    def with_settings(self, **changes: Any) -> Images:
        settings = replace(self.settings, **changes)
        return Images(settings, self.layout, Daemon(settings.host), self.instance)

    def image(self, spec: BuildSpec) -> dict[str, Any]:
        found: dict[str, Any] = self.client.inspect_image(
            self.images.reference(spec.service_id, spec.deployment_id)
        )
        return found

    def run(self, spec: BuildSpec, *words: str) -> str:
        """What a command prints in the image."""
        host = self.client.create_host_config(init=True)
        made = self.client.create_container(
            self.images.reference(spec.service_id, spec.deployment_id), list(words), host_config=host
        )
        try:
            self.client.start(made["Id"])
            self.client.wait(made["Id"], timeout=60)
            return bytes(self.client.logs(made["Id"])).decode()
        finally:
            self.client.remove_container(made["Id"], force=True)

    def containers(self) -> list[dict[str, Any]]:
        """Of this installation's builds."""
        found: list[dict[str, Any]] = self.client.containers(
            all=True, filters={"label": f"gavan.instance={self.instance}"}
        )
        return found


@pytest.fixture(scope="session")
def client() -> Iterator[APIClient]:
    client = APIClient(docker_host(), version="auto", timeout=60)
    yield client
    client.close()


@pytest.fixture(scope="session")
def instance(client: APIClient) -> Iterator[str]:
    """One for all tests, so that the layers that belong to nobody are made once."""
    instance = uuid.uuid4().hex[:12]
    yield instance
    with contextlib.suppress(APIError):  # The daemon prunes for one at a time.
        client.prune_images({"label": f"gavan.instance={instance}", "dangling": True})


@pytest.fixture
async def yard(tmp_path: Path, client: APIClient, instance: str) -> AsyncIterator[Yard]:
    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    settings = DockerEngineSettings(
        home=tmp_path, host=docker_host(), build_timeout=240, ca_bundle=Path(bundle) if bundle else None
    )
    layout = Layout(tmp_path)
    layout.prepare()
    yard = Yard(Images(settings, layout, Daemon(settings.host), instance), layout, settings, client, instance)
    yield yard
    for found in yard.containers():
        client.remove_container(found["Id"], force=True)
    for found in client.images(filters={"label": f"gavan.instance={instance}"}):
        for name in found["RepoTags"] or []:
            if name.startswith("gavan/"):
                client.remove_image(name, force=True)
