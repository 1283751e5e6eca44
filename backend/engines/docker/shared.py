"""A registry of the operator's, from which other nodes fetch customers' images.

What is referred to by a digest, the swarm asks no other registry for, and a node that has it asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import httpx
from docker import APIClient
from docker.auth import encode_header
from loguru import logger

from backend.engines.base import EngineError, Retry
from backend.engines.docker import names
from backend.engines.docker.client import Daemon
from backend.engines.docker.registrylogin import RegistryLogin
from backend.engines.text import clean_line

TIMEOUT = 15.0
MANIFESTS = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
FORGOTTEN = frozenset({200, 202, 404, 405})
"""405: this registry lets nobody delete; its operator sees to its size."""


class SharedImages:
    def __init__(self, daemon: Daemon, login: RegistryLogin | None, instance: str) -> None:
        self._daemon, self._login, self._instance = daemon, login, instance

    @property
    def available(self) -> bool:
        return self._login is not None

    async def publish(self, image: str, name: str) -> str:
        """Have the registry hold the image; what every node may fetch it by. Layers that are there are not
        sent again. Codes: engine_unavailable (retry).
        """
        if self._login is None:
            return image
        repository, _, tag = f"{self._login.prefix}/{name}".rpartition(":")
        login = self._login

        def push(client: APIClient) -> str:
            client.tag(image, repository, tag)
            header = {"X-Registry-Auth": encode_header(login.credentials()).decode()}
            url = client._url("/images/{0}/push", repository)
            with client._post(url, params={"tag": tag}, headers=header, stream=True, timeout=None) as answer:
                client._raise_for_status(answer)
                return _digest(client._stream_helper(answer, decode=True))

        return f"{repository}@{await self._daemon.call_long(push)}"

    async def publish_release(self, reference: str) -> str:
        """Under a name of this installation's own: several may share a registry."""
        return await self.publish(reference, f"gavan/{self._instance}/{reference.removeprefix('gavan/')}")

    async def forget(self, deployment_id: str) -> None:
        """Have the registry let go of a deployment's image; as well as it can, for nothing waits for it."""
        if self._login is None:
            return
        mine = names.mine(self._instance, deployment=deployment_id)
        found = await self._daemon.call(lambda client: client.images(filters=mine))
        digests = {digest for image in found for digest in image["RepoDigests"] or ()}
        wanted = [one for one in digests if one.startswith(f"{self._login.prefix}/gavan/{self._instance}/")]
        if not wanted:
            return
        parts = urlsplit(self._login.url)
        auth = (self._login.user, self._login.password) if self._login.user else None
        async with httpx.AsyncClient(auth=auth, timeout=TIMEOUT) as client:
            for one in wanted:
                repository, _, digest = one.removeprefix(f"{parts.netloc}/").rpartition("@")
                try:
                    answer = await client.delete(
                        f"{parts.scheme}://{parts.netloc}/v2/{repository}/manifests/{digest}",
                        headers={"Accept": MANIFESTS},
                    )
                except httpx.HTTPError as error:
                    logger.warning("the registry keeps {}: {!r}", one, error)
                    continue
                if answer.status_code not in FORGOTTEN:
                    logger.warning("the registry keeps {}: it said {}", one, answer.status_code)


def _digest(messages: Iterable[dict[str, Any]]) -> str:
    digest = ""
    for message in messages:
        if words := message.get("error"):
            # Of the network inside, and so for the operator.
            logger.warning("an image is not in the registry: {}", clean_line(str(words)[:500].encode()))
            raise _away()
        digest = (message.get("aux") or {}).get("Digest", digest)
    if not digest:
        raise _away()
    return digest


def _away() -> EngineError:
    return EngineError(
        "engine_unavailable",
        "The registry of this installation does not take the image; this is tried again by itself.",
        retry=Retry.BACKOFF,
        detail="registry_refused",
    )
