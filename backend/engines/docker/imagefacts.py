"""What a release's image says of itself."""

from __future__ import annotations

import contextlib
import posixpath
from typing import Any

from docker import APIClient
from docker.errors import NotFound as Missing

from backend.engines.base import EngineError
from backend.engines.docker import names
from backend.engines.docker.template import Image

SHELL = "/bin/sh"
MOST_VOLUMES = 20
_MOST_KNOWN = 10_000
_with_shell: dict[tuple[str, ...], bool] = {}
"""By an image's layers, which alone say what files it has; to look into one costs a container."""


def examine(client: APIClient, instance: str, reference: str) -> Image:
    """Raises `release_missing` when it is gone."""
    try:
        found = client.inspect_image(reference)
    except Missing:
        raise EngineError("release_missing", "The files of this release are gone; deploy again.") from None
    config = found["Config"]
    command = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
    if not command:
        message = "Its image does not say what to run: the Dockerfile needs a CMD or an ENTRYPOINT."
        raise EngineError("unit_exited", message, detail="image_without_command")
    return Image(
        id=found["Id"],
        command=command,
        has_shell=command[0] == SHELL or _has_shell(client, instance, found),
        has_home=any(variable.startswith("HOME=") for variable in config.get("Env") or ()),
        volumes=_volumes(config),
    )


def _volumes(config: dict[str, Any]) -> list[str]:
    found = list(config.get("Volumes") or ())
    if len(found) > MOST_VOLUMES or any(posixpath.normpath(path) in ("/", ".") for path in found):
        message = f"Its image asks for more than {MOST_VOLUMES} volumes, or for one where none can be."
        raise EngineError("unit_exited", message, detail="image_volumes", most=MOST_VOLUMES)
    return found


def _has_shell(client: APIClient, instance: str, image: dict[str, Any]) -> bool:
    layers = tuple(image["RootFS"].get("Layers") or ())
    known = _with_shell.get(layers)
    if known is None:
        if len(_with_shell) >= _MOST_KNOWN:
            _with_shell.clear()
        known = _with_shell[layers] = _has(client, instance, image["Id"], SHELL)
    return known


def _has(client: APIClient, instance: str, image_id: str, path: str) -> bool:
    container = client.create_container(image_id, labels=names.labels(instance))["Id"]
    try:
        content, _ = client.get_archive(container, path)
        content.close()
    except Missing:
        return False
    finally:
        with contextlib.suppress(Missing):
            client.remove_container(container, force=True, v=True)
    return True
