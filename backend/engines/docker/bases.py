"""What builds begin from, and what of this machine's way to the package registries they are told."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass

from loguru import logger

HUB = "docker.io"
REGISTRIES = (
    *(HUB, "ghcr.io", "quay.io", "gcr.io", "public.ecr.aws", "mcr.microsoft.com"),
    *("registry.gitlab.com", "registry.k8s.io", "registry.access.redhat.com", "cgr.dev"),
)
"""Hosts of public images; none of them is a customer's own."""


@dataclass(frozen=True, slots=True)
class BaseImages:
    """The images that generated Dockerfiles begin from."""

    python: str = "python:3.12-slim"
    node: str = "node:22-slim"
    go: str = "golang:1"
    go_runtime: str = "debian:stable-slim"
    static: str = "python:3.12-slim"
    """Has Python: static sites are served by the program that serves them everywhere else."""


INDEXES = (
    "GOPROXY",
    "GOSUMDB",
    "NPM_CONFIG_REGISTRY",
    "PIP_EXTRA_INDEX_URL",
    "PIP_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX",
    "UV_INDEX_URL",
)
_PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
"""Docker hands these to every command of a build without being asked, and keeps them out of the image."""
CERTIFICATES = (
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
)
"""The variables by which tools find the certificates that they trust."""


def index_arguments(*prefixes: str) -> list[str]:
    """The instruction by which a stage takes the addresses of registries: gone when the stage ends."""
    return ["ARG " + " ".join(name for name in INDEXES if name.startswith(prefixes))]


def build_arguments(declared: Collection[str]) -> dict[str, str]:
    """This machine's settings that a Dockerfile takes, without those that name its files or hold secrets."""
    found = {}
    for name in (*_PROXIES, *(name for name in INDEXES if name in declared)):
        value = os.environ.get(name) or os.environ.get(name.lower())
        if value and not value.startswith("/") and "file:" not in value:
            if _has_credentials(value):
                logger.warning("builds do not get {}: a customer's could read the password in it", name)
            else:
                found[name] = value
    return found


def _has_credentials(value: str) -> bool:
    """Whether one of its addresses is like `https://user:password@host`, or `user:password@host`."""
    return any("@" in word.rpartition("://")[2].partition("/")[0] for word in re.split(r"[\s,|]+", value))
