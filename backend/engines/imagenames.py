"""Names of images, read as the distribution project does: `python:3`, `ghcr.io/me/app@sha256:…`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from backend.engines.addresses import Allowed, Remote, check_url, forbidden
from backend.engines.errors import EngineError

HUB = "docker.io"
HUB_HOST = "registry-1.docker.io"
"""Where the images of `docker.io` are."""
_OTHER_HUBS = frozenset({"index.docker.io", HUB_HOST})
OFFICIAL = "library/"
USUAL_TAG = "latest"
LONGEST = 500
LONGEST_NAME = 255

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]{{1,5}})?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_IDENTITY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ImageName:
    host: str
    """The registry, with a port if it is not the usual one: whom a login is for, and is sent to."""
    repository: str
    tag: str | None
    digest: str | None

    @property
    def reference(self) -> str:
        """What a registry is asked for: the digest decides where there is one."""
        return self.digest or self.tag or USUAL_TAG

    @property
    def familiar(self) -> str:
        """As people write it: without the usual registry."""
        name = self.repository if self.host == HUB else f"{self.host}/{self.repository}"
        name = name.removeprefix(OFFICIAL) if self.host == HUB else name
        return name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def remote(self) -> Remote:
        """Where its registry answers."""
        return registry_at(self.host)

    def pinned(self, digest: str) -> ImageName:
        return replace(self, digest=digest)


def parse(text: str) -> ImageName:
    """Raises `source_forbidden`, whose detail says what is wrong."""
    if not 1 <= len(text) <= LONGEST or not text.isascii() or not text.isprintable() or " " in text:
        message = f"An image's name has up to {LONGEST} letters, digits and signs, and no blanks."
        raise forbidden(message, "image_signs")
    if "://" in text:
        message = "An image's name has no https:// in front: registry.example.com/app:1"
        raise forbidden(message, "image_scheme")
    name, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise forbidden("A digest is sha256: and 64 hexadecimal digits in small letters.", "image_digest")
    name, tag = _without_tag(name)
    if tag is not None and not _TAG.fullmatch(tag):
        raise forbidden("The image's tag is not valid.", "image_tag")
    host, repository = _located(name)
    if _IDENTITY.fullmatch(name):
        raise forbidden("This is an image's id, not its name.", "image_id")
    if not _PATH.fullmatch(repository):
        message = "An image's name is in small letters, digits, and single signs between them."
        raise forbidden(message, "image_name")
    if len(f"{host}/{repository}") > LONGEST_NAME:
        raise forbidden(f"An image's name has {LONGEST_NAME} signs at most.", "image_length")
    return ImageName(check_host(host), repository, tag, digest or None)


def check(text: str, allowed: Allowed) -> ImageName:
    """`parse`, and what can be told of its registry's address without the network."""
    name = parse(text)
    check_url(name.remote.url, allowed)
    return name


def check_host(host: str) -> str:
    """The registry as it is compared: in small letters. Raises `source_forbidden`."""
    if not _HOST.fullmatch(host) or len(host) > LONGEST_NAME:
        raise _bad_host()
    host = host.lower().removesuffix(":443")
    if host in _OTHER_HUBS:
        return HUB
    if host != HUB:
        registry_at(host)
    return host


def registry_at(host: str) -> Remote:
    name, port = HUB_HOST if host == HUB else host, 443
    if (found := re.fullmatch(r"(.+):([0-9]{1,5})", name)) and not name.endswith("]"):
        name, port = found[1], int(found[2])
    if not 1 <= port <= 65535:
        raise _bad_host()
    return Remote("https", name.strip("[]"), port, "/v2/")


def _bad_host() -> EngineError:
    return forbidden("The registry's host in the image's name is not valid.", "image_host")


def _without_tag(name: str) -> tuple[str, str | None]:
    start, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    return start + slash + last, tag if colon else None


def _located(name: str) -> tuple[str, str]:
    """Registry and repository: the first part is a host if it could be no folder of the usual registry."""
    first, slash, rest = name.partition("/")
    is_host = bool(slash) and (bool(set(".:") & set(first)) or first == "localhost")
    host, repository = (first, rest) if is_host else (HUB, name)
    if (host in _OTHER_HUBS or host == HUB) and "/" not in repository:
        repository = OFFICIAL + repository
    return host, repository
