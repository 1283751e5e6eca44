"""Whether there is a Docker daemon for tests, with the base images of builds; tests that need it skip.

A daemon that somebody works with is never taken: tests make it a swarm, fill it and prune it.
"""

from __future__ import annotations

import functools
import os

import pytest
from docker import APIClient
from docker.errors import DockerException, ImageNotFound

VARIABLE = "GAVAN_TEST_DOCKER_HOST"


@functools.cache
def without_docker() -> str:
    """Why there is none; empty when there is."""
    if not os.environ.get(VARIABLE):
        return f"{VARIABLE} names no Docker daemon for tests"
    try:
        client = APIClient(os.environ[VARIABLE], version="auto", timeout=10)
    except (DockerException, OSError) as error:
        return f"no Docker daemon answers: {str(error)[:200]}"
    try:
        for image in ("python:3.12-slim", "node:22-slim"):
            try:
                client.inspect_image(image)
            except ImageNotFound:
                client.pull(image)
    except (DockerException, OSError) as error:
        return f"Docker has no base images, and cannot fetch them: {str(error)[:200]}"
    finally:
        client.close()
    return ""


def docker_host() -> str:
    """The daemon's address. Skips the test that asks when there is none."""
    if why := os.environ.get("GAVAN_WITHOUT_DOCKER") or without_docker():
        pytest.skip(why)
    return os.environ[VARIABLE]
