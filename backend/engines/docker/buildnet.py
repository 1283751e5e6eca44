"""A network for each build, there as long as the build runs.

On a network that builds share, one that runs as root and may send raw packets could take over its neighbours'
addresses. The name of its bridge is what the node's firewall knows builds by.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import AsyncIterator

from docker import APIClient
from docker.errors import APIError
from loguru import logger

from backend.engines.docker import names
from backend.engines.docker.client import Daemon
from backend.engines.docker.states import moment

BRIDGE_PREFIX = "gvb"
"""As in node/firewall. The kernel allows 15 signs."""
_BRIDGE = "com.docker.network.bridge."


@contextlib.asynccontextmanager
async def network(daemon: Daemon, instance: str, deployment_id: str) -> AsyncIterator[str]:
    """Its name; what an interrupted build of the same deployment left is used again."""
    name = names.build_network_name(instance, deployment_id)

    def ensure(client: APIClient) -> None:
        if any(found["Name"] == name for found in client.networks(names=[name])):
            return
        bridge = BRIDGE_PREFIX + hashlib.sha256(name.encode()).hexdigest()[:12]
        options = {f"{_BRIDGE}name": bridge, f"{_BRIDGE}enable_icc": "false"}
        labels = names.labels(instance, build=deployment_id)
        client.create_network(name, driver="bridge", options=options, labels=labels, check_duplicate=True)

    await daemon.call(ensure)
    try:
        yield name
    finally:
        await daemon.call(lambda client: _remove(client, name))


def prune(client: APIClient, instance: str, older_than: float) -> None:
    """Remove those of builds that were interrupted more than so many seconds ago."""
    for found in client.networks(filters={**names.mine(instance), "driver": ["bridge"]}):
        if names.BUILD in found["Labels"] and time.time() - moment(found["Created"]).timestamp() > older_than:
            _remove(client, found["Id"])


def _remove(client: APIClient, name: str) -> None:
    try:
        client.remove_network(name)
    except APIError as error:
        # Its last container is still ending; pruning finds it.
        logger.debug("the network {} stays for now: {}", name, error.explanation)
