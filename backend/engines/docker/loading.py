"""Gives the daemon an image that the panel fetched: files whose digests were compared already.

The image gets our labels, as those have that are built here: by them it is found again and removed. Its
layers stay what they are, so the daemon keeps those once that several images share.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docker import APIClient
from loguru import logger
from requests import Response

from backend.engines.base import EngineError, Retry
from backend.engines.docker import names
from backend.engines.docker.client import Daemon
from backend.engines.docker.stream import messages
from backend.engines.docker.variables import is_reserved
from backend.engines.imagefetch import FACTS
from backend.engines.layout import checked, read_json
from backend.engines.text import clean_line

KIND = "image"
WHOLE = "fetch-whole"
"""Beside the source: its layers are to be fetched, although the daemon seems to have them."""
CHUNK = 1 << 18
BLOCK = tarfile.BLOCKSIZE
LONGEST_VARIABLE = 32 << 10


def is_image(source: Path) -> bool:
    return (source / FACTS).is_file() and (source / "config.json").is_file()


async def load(daemon: Daemon, source: Path, reference: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """Its facts: `size_bytes`, `port`. The image is called `reference` then."""
    facts = read_json(source / FACTS)
    if facts is None:
        message = "The fetched source is gone; deploy again to fetch it anew."
        raise EngineError("build_failed", message, detail="source_gone")
    config = json.loads((source / "config.json").read_bytes())
    described = _labelled(config, {**labels, names.IMAGE: facts["digest"]})
    content = json.dumps(described).encode()
    layers = [] if facts["held"] else facts["layers"]

    def request(client: APIClient) -> Response:
        # docker-py's own reads the answer only when all of it is there.
        return client._post(
            client._url("/images/load"),
            data=_archive(source, reference, content, facts["layers"], layers),
            headers={"Content-Type": "application/x-tar"},
            params={"quiet": True},
            stream=True,
            timeout=None,
        )

    async with messages(daemon, request) as received:
        async for said in received:
            if words := said.get("error"):
                logger.info("an image was not taken: {}", clean_line(str(words)[:500].encode()))
                if facts["held"]:
                    # The image that has them went meanwhile, or this Docker keeps images in another way.
                    (source.parent / WHOLE).touch()
                    message = "The image has to be fetched again; this is tried by itself."
                    raise EngineError("build_failed", message, retry=Retry.BACKOFF, detail="source_gone")
                refusal = "Docker cannot take this image: it is not as it describes itself."
                raise EngineError("build_failed", refusal, detail="image_not_taken")
    size = facts["size_bytes"]
    if facts["held"]:
        size = (await daemon.call(lambda client: client.inspect_image(reference)))["Size"]
    return {"size_bytes": size, "port": port_of(described["config"])}


def held(client: APIClient, instance: str, project_id: str, folder: Path) -> frozenset[str]:
    """Digests of the images whose layers the daemon has for this project.

    Not for others: who may ask a registry for an image's description need not be who may have its layers.
    """
    if not project_id or (folder / WHOLE).exists():
        return frozenset()
    found = client.images(filters=names.mine(instance, project=checked(project_id)))
    return frozenset(filter(None, ((image["Labels"] or {}).get(names.IMAGE) for image in found)))


def port_of(config: Mapping[str, Any]) -> int | None:
    """The one that it says it listens on; None where it names several, or none."""
    exposed = [name.removesuffix("/tcp") for name in config.get("ExposedPorts") or () if "/udp" not in name]
    numbers = [int(name) for name in exposed if name.isascii() and name.isdecimal() and len(name) < 6]
    return numbers[0] if len(numbers) == 1 and 0 < numbers[0] < 65536 else None


def _labelled(config: dict[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    inner = dict(config.get("config") or {})
    if any(len(variable) > LONGEST_VARIABLE for variable in inner.get("Env") or ()):
        message = "The image has variables that are too large."
        raise EngineError("build_failed", message, detail="image_variables")
    own = {name: value for name, value in (inner.get("Labels") or {}).items() if not is_reserved(name)}
    inner["Labels"] = {**own, **labels}
    inner.pop("OnBuild", None)
    return {**config, "config": inner}


def _archive(
    source: Path, reference: str, config: bytes, all_layers: list[str], layers: list[str]
) -> Iterator[bytes]:
    """As `docker save` writes it, made while it is sent. A layer that the daemon has may be missing."""
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": [reference], "Layers": all_layers}]).encode()
    for path, content in ((name, config), ("manifest.json", manifest)):
        yield _header(path, len(content)) + content + _padding(len(content))
    for layer in layers:
        size = (source / layer).stat().st_size
        yield _header(layer, size)
        with open(source / layer, "rb") as file:
            while piece := file.read(CHUNK):
                yield piece
        yield _padding(size)
    yield b"\0" * (2 * BLOCK)


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return b"\0" * (-size % BLOCK)
