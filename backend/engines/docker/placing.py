"""The ports of units in the swarm, and what a unit's service is asked to become. Used under one lock."""

from __future__ import annotations

import contextlib
from typing import Any

from docker import APIClient
from docker.errors import APIError
from docker.errors import NotFound as Missing

from backend.engines import ports
from backend.engines.base import Unit
from backend.engines.docker import names, states
from backend.engines.docker.states import Service

PART_ATTEMPTS = 10


def inspect(client: APIClient, name: str) -> Service | None:
    try:
        found: Service = client.inspect_service(name)
    except Missing:
        return None
    return found


def update(present: Service, wanted: dict[str, Any], client: APIClient) -> None:
    client.update_service(present["ID"], present["Version"]["Index"], **wanted)


def port(
    client: APIClient, bounds: tuple[int, int], present: Service | None, parked: Unit | None = None
) -> int:
    """One that no service of the swarm has, whosever it is, and no program of this machine.

    The unit's own, if nobody took it: it has none while it is halted.
    """
    taken = _taken(client, present)
    own = states.port_of(present) if present else int(parked.address.rpartition(":")[2]) if parked else 0
    if own and own not in taken and ports.is_free(own):
        return own
    return ports.choose(bounds, taken)


def part_ports(client: APIClient, bounds: tuple[int, int], name: str) -> None:
    """Give up a port that another installation, which has a lock of its own, chose at the same time.

    Whoever wrote later sees it here; if both do, both choose again.
    """
    for _ in range(PART_ATTEMPTS):
        present = inspect(client, name)
        if present is None or not states.replicas(present) or not states.port_of(present):
            return
        taken = _taken(client, present)
        if states.port_of(present) not in taken:
            return
        wanted = scaled(present, 1, ports.choose(bounds, taken))
        with contextlib.suppress(APIError):
            # Swarm itself may have written in between; then it is looked at anew.
            update(present, wanted, client)


def _taken(client: APIClient, present: Service | None) -> set[int]:
    """The ports of all services but this one."""
    return {
        int(port["PublishedPort"])
        for service in client.services()
        if present is None or service["ID"] != present["ID"]
        for port in service["Spec"].get("EndpointSpec", {}).get("Ports", ())
        if "PublishedPort" in port
    }


def scaled(present: Service, count: int, port: int) -> dict[str, Any]:
    """The service as it is, with another count of replicas and port."""
    spec = present["Spec"]
    endpoint = spec["EndpointSpec"]
    published = [{**one, "PublishedPort": port} for one in endpoint.get("Ports") or ()]
    return {
        "name": spec["Name"],
        # Whoever starts or stops it has it tried anew.
        "labels": {name: value for name, value in spec["Labels"].items() if name != names.ROUNDS},
        "mode": {"Replicated": {"Replicas": count}},
        "task_template": spec["TaskTemplate"],
        "endpoint_spec": {**endpoint, "Ports": published},
    }
