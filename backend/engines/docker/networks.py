"""One overlay network per project, there as long as the project has a release.

Names are answered with the releases' own addresses (dnsrr): virtual ones need IP_VS, which not every
kernel has. Both functions are called under the lock of `releases.py`, so that no release is created on a
network that is just being removed.
"""

from __future__ import annotations

from docker import APIClient
from docker.errors import APIError
from loguru import logger

from backend.engines.docker import names


def ensure(client: APIClient, instance: str, project_id: str) -> str:
    """The network's id."""
    name = names.network_name(instance, project_id)
    for network in client.networks(names=[name]):
        if network["Name"] == name:
            return str(network["Id"])
    labels = names.labels(instance, project=project_id)
    return str(client.create_network(name, driver="overlay", check_duplicate=True, labels=labels)["Id"])


def drop_unused(client: APIClient, instance: str) -> None:
    """Remove those whose project has no release. A task that is still ending may hold one: the next call
    finds it again."""
    needed = {
        service["Spec"]["Labels"][names.PROJECT] for service in client.services(filters=names.mine(instance))
    }
    for network in client.networks(filters={**names.mine(instance), "driver": ["overlay"]}):
        if network["Labels"].get(names.PROJECT) not in needed:
            try:
                client.remove_network(network["Id"])
            except APIError as error:
                logger.debug("network {} stays for now: {}", network["Name"], error.explanation)
