"""Images under the names that templates take theirs by, in a registry as an operator's mirror."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from docker import APIClient

from tests.support.dockerregistry import docker_registry

STANDINS = Path(__file__).with_name("standins")


@contextmanager
def mirror(docker: APIClient, folder: Path, host: str, images: Iterable[str]) -> Iterator[None]:
    """Stand-ins for these, named as `library/redis:8.2.1`, at `host`; each knows its version."""
    with docker_registry(folder, host=host, login=False):
        for image in images:
            _publish(docker, host, image)
        yield


def _publish(docker: APIClient, host: str, image: str) -> None:
    repository, _, tag = image.rpartition(":")
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for file in STANDINS.iterdir():
            if file.is_file():
                tar.add(file, file.name)
    context.seek(0)
    name, target = f"{host}/{image}", repository.rpartition("/")[2]
    said = list(
        docker.build(
            fileobj=context,
            custom_context=True,
            tag=name,
            target=target,
            buildargs={"VERSION": tag},
            rm=True,
            decode=True,
        )
    )
    assert not any("error" in line for line in said), said[-1]
    pushed = list(docker.push(name, stream=True, decode=True))
    docker.remove_image(name, force=True)
    assert not any("error" in line for line in pushed), pushed[-1]
