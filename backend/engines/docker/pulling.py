"""Fetches the images that a build begins from, before it begins, from registries that the operator trusts.

A registry says where to get a token from and where its layers lie, and the daemon goes there, from inside
the panel's network: of a host of the customer's own choice, no check of addresses would be of any use.
"""

from __future__ import annotations

import asyncio
import functools
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from docker import APIClient
from docker.auth import encode_header
from docker.utils import parse_repository_tag
from loguru import logger
from requests import Response

from backend.engines.base import Access, EngineError, Report, Retry
from backend.engines.docker.bases import HUB
from backend.engines.docker.client import Conflict, Daemon
from backend.engines.docker.pulled import PulledImages
from backend.engines.docker.stream import messages
from backend.engines.docker.variables import UNKNOWN, is_reserved
from backend.engines.text import clean_line, human_size

LARGEST = 4 << 30
"""Bytes of one base image."""
FRESH_HOURS = 24
"""After so long the registry is asked whether there is a newer one."""
KEPT_HOURS = 7 * 24
"""Images that no build has taken for so long are removed."""
_TROUBLE = re.compile(
    r"dial |lookup |time ?out|EOF|connection re|no route|TLS|x509|toomanyrequests|50[0-9] |unreachable",
    re.IGNORECASE,
)
_HUB = re.compile(r"(?:index\.)?docker\.io/(?:library/)?|library/(?=[^/]+$)")
Logins = Sequence[Access]


@dataclass(frozen=True, slots=True)
class Pulling:
    daemon: Daemon
    pulled: PulledImages
    registries: tuple[str, ...]
    trusted: frozenset[str]
    """Images that the operator named, wherever they come from."""
    check_space: Callable[[], None]
    """Raises when the daemon's disk is nearly full."""

    async def ensure(self, image: str, report: Report, project: str = "", logins: Logins = ()) -> None:
        """Have the image in the daemon. Codes: build_failed, build_too_large, engine_unavailable (retry).

        A private one is fetched with a login of the project, and known to be no other project's.
        """
        image = familiar(image)
        facts: dict[str, Any] | None = await self.daemon.find(lambda client: client.inspect_image(image))
        if facts is None or not await self._is_good(image, facts, project):
            if image not in self.trusted:
                self._check_registry(image)
            login = next((login for login in logins if login.origin == registry_of(image)), None)
            facts = await self._fetch(image, facts, report, project, login)
        _check_config(image, facts.get("Config") or {})

    async def forget_unused(self) -> None:
        since = time.time() - KEPT_HOURS * 3600
        for image in await asyncio.to_thread(self.pulled.forget_unused, since):
            logger.info("removing the image {}, which no build takes any more", image)
            try:
                await self.daemon.find(functools.partial(APIClient.remove_image, image=image))
            except Conflict:
                logger.debug("a container has it")

    async def _is_good(self, image: str, facts: dict[str, Any], project: str) -> bool:
        """Whether the image that is there may be taken as it is."""
        known = await asyncio.to_thread(self.pulled.use, image, facts["Id"])
        if known is not None and not known.is_for(project):
            return False
        if known is not None:
            return time.time() - known.fetched < FRESH_HOURS * 3600 or "@" in image
        if image in self.trusted:
            return True
        if not facts.get("RepoDigests"):
            # Made on this machine: nobody published it.
            raise _missing(image)
        return False

    async def _fetch(
        self, image: str, present: dict[str, Any] | None, report: Report, project: str, login: Access | None
    ) -> dict[str, Any]:
        await report(f"Fetching the image {image}")
        try:
            await self._pull(image, login)
        except EngineError as error:
            # One that was fetched before will do while its registry is away.
            if present is None or error.retry is Retry.NEVER:
                raise
            known = await asyncio.to_thread(self.pulled.use, image, present["Id"])
            if known is None or not known.is_for(project):
                raise
            return present
        facts: dict[str, Any] = await self.daemon.call(lambda client: client.inspect_image(image))
        if facts["Size"] > LARGEST:
            await self.daemon.find(lambda client: client.remove_image(image))
            raise _too_large(image)
        await asyncio.to_thread(self.pulled.add, image, facts["Id"], project if login else None)
        return facts

    def _check_registry(self, image: str) -> None:
        if registry_of(image) not in self.registries:
            names = ", ".join(self.registries)
            raise EngineError(
                "build_failed",
                f"Images are fetched from {names} only, not from {registry_of(image)}.",
                detail="registry_forbidden",
                registry=registry_of(image),
                registries=names,
            )

    async def _pull(self, image: str, login: Access | None) -> None:
        repository, tag = parse_repository_tag(image)
        headers = {}
        if login is not None:
            given = {"username": login.username, "password": login.token, "serveraddress": login.origin}
            headers["X-Registry-Auth"] = encode_header(given).decode()

        def request(client: APIClient) -> Response:
            # Without a tag the daemon would fetch them all.
            params = {"fromImage": repository, "tag": tag or "latest"}
            response = client._post(
                client._url("/images/create"), params=params, headers=headers, stream=True, timeout=None
            )
            if not response.ok:
                raise _refused(image, response.text)
            return response

        sizes: dict[str, int] = {}
        async with messages(self.daemon, request) as received:
            async for message in received:
                if words := message.get("error"):
                    raise _refused(image, str(words))
                detail: dict[str, Any] = message.get("progressDetail") or {}
                if message.get("status") in ("Downloading", "Extracting") and (total := detail.get("total")):
                    sizes[str(message.get("id"))] = int(total)
                    await asyncio.to_thread(self.check_space)
                if sum(sizes.values()) > LARGEST:
                    raise _too_large(image)


def familiar(image: str) -> str:
    """The name by which Docker shows it: without the usual registry, and with a tag."""
    short = _HUB.sub("", image, count=1) if _HUB.match(image) else image
    image = short if registry_of(short) == HUB else image
    return image if parse_repository_tag(image)[1] else f"{image}:latest"


def registry_of(image: str) -> str:
    host, slash, _ = image.partition("/")
    return host if slash and (set(".:") & set(host) or host == "localhost") else HUB


def _check_config(image: str, config: dict[str, Any]) -> None:
    """What a base image brings into a build that a Dockerfile may not."""
    if config.get("OnBuild"):
        raise EngineError(
            "build_failed",
            f"The image {image} adds instructions of its own to a build (ONBUILD), which is not supported.",
            detail="image_onbuild",
            image=image,
        )
    reserved = any(is_reserved(name) for name in config.get("Labels") or ())
    if reserved or any(len(variable) > UNKNOWN for variable in config.get("Env") or ()):
        raise EngineError(
            "build_failed",
            f"The image {image} has labels that are reserved, or variables that are too large.",
            detail="image_unfit",
            image=image,
        )


def _too_large(image: str) -> EngineError:
    return EngineError(
        "build_too_large",
        f"The image {image} is larger than {human_size(LARGEST)}.",
        detail="image_too_large",
        image=image,
        limit_bytes=LARGEST,
    )


def _refused(image: str, words: str) -> EngineError:
    """What the registry or the daemon said is for the operator: it may be of the network inside."""
    logger.info("the image {} was not fetched: {}", image, clean_line(words[:500].encode()))
    if not _TROUBLE.search(words):
        return _missing(image)
    return EngineError(
        "engine_unavailable",
        f"The registry of the image {image} does not answer; this is tried again by itself.",
        retry=Retry.BACKOFF,
        detail="registry_away",
        image=image,
    )


def _missing(image: str) -> EngineError:
    return EngineError(
        "build_failed",
        f"There is no image {image} that could be fetched.",
        detail="image_missing",
        image=image,
    )
