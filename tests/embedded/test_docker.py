"""`make up` with ENGINE=docker: the example in a container, and nothing running after `make down`."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded import settings
from tests.embedded.conftest import until
from tests.embedded.test_up import Checkout, copied
from tests.engines.containers import Containers
from tests.support.dockerhost import docker_host

PARTS = {"postgres", "redis", "edge", "api", "workers", "docker"}


@pytest.fixture
def contained(tmp_path: Path) -> Iterator[tuple[Checkout, Containers]]:
    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or ""
    host = docker_host()
    checkout = copied(
        tmp_path, ENGINE="docker", DOCKER_HOST=host, BUILD_CA_BUNDLE=bundle, NODE_FIREWALL="off"
    )
    containers = Containers(checkout.layout.engine, host)
    yield checkout, containers
    checkout.make("down")
    containers.clear()


@pytest.mark.slow_up
@pytest.mark.timeout(600)
def test_customers_services_in_containers(contained: tuple[Checkout, Containers]) -> None:
    checkout, containers = contained
    checkout.up()
    first = checkout.status()
    assert first["healthy"] is True
    assert set(first["parts"]) == PARTS
    assert checkout.example_status() == 200
    assert len(containers.client.containers(filters=containers.mine)) == 1
    assert "nothing to do" in checkout.up()

    done = checkout.make("down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 stopped" in done.stdout
    assert checkout.processes() == []
    assert containers.client.containers(filters=containers.mine) == []
    assert containers.client.services(filters=containers.mine) == []
    assert containers.client.networks(filters=containers.mine) == []
    down = checkout.status()
    assert down["healthy"] is False
    assert {part["state"] for name, part in down["parts"].items() if name != "docker"} == {"stopped"}
    assert checkout.make("down").returncode == 0

    checkout.up()
    until(lambda: checkout.example_status() == 200, 60)

    env = checkout.layout.env_file
    env.write_text(env.read_text().replace("ENGINE=docker", "ENGINE=process"))
    assert "1 stopped" in checkout.up()
    assert containers.client.containers(filters=containers.mine) == []
    assert "apps" in checkout.status()["parts"]
    assert checkout.example_status() == 200


@pytest.mark.slow_up
def test_without_docker_it_says_so(tmp_path: Path) -> None:
    checkout = copied(tmp_path, ENGINE="docker", DOCKER_HOST=f"unix://{tmp_path}/nosuch.sock")
    done = checkout.make("up")
    assert done.returncode != 0
    assert "Docker does not answer" in done.stdout
    assert "ENGINE=process" in done.stdout
    assert settings.read(checkout.layout.env_file)["ENGINE"] == "docker"
    assert checkout.processes() == []
    assert checkout.make("down").returncode == 0
