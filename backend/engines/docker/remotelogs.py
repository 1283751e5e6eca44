"""What units print on other nodes: it comes through the manager, by task, into the same files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from docker import APIClient
from docker.errors import APIError
from loguru import logger

from backend.engines.base import EngineError
from backend.engines.docker import names, spool, states, whose
from backend.engines.docker.states import Task
from backend.engines.docker.swarm import Hosts, Swarm
from backend.engines.layout import Layout, held
from backend.engines.scale import unit_name


class RemoteLogs:
    def __init__(self, layout: Layout, swarm: Swarm, instance: str) -> None:
        self._layout, self._swarm, self._instance = layout, swarm, instance

    async def collect(self, **ids: str) -> None:
        """Of all, or of a `service` or `deployment`. Never raises: what is missing comes the next time."""
        try:
            hosts = await self._swarm.hosts()
            if len(hosts.by_node) > 1:
                await self._swarm.call(lambda client: self._collect(client, hosts, ids))
        except (EngineError, OSError) as error:
            logger.debug("no logs of other nodes are collected now: {}", error)

    def _collect(self, client: APIClient, hosts: Hosts, ids: dict[str, str]) -> None:
        for task in sorted(client.tasks(filters=names.mine(self._instance, **ids)), key=_made):
            unit = whose.unit_of_task(self._instance, task)
            away = task.get("NodeID") in (None, hosts.own) or task["NodeID"] in hosts.down
            if unit is None or away or not states.container_id(task):
                continue
            folder = self._layout.service_logs(unit.service_id)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            name = unit_name(unit.process, unit.replica)
            with held(folder / ".lock"), spool.Spool(folder, unit.deployment_id, name) as kept:
                if not kept.is_over(states.container_id(task)):
                    with contextlib.suppress(APIError):
                        _append(client, kept, task)


def _append(client: APIClient, kept: spool.Spool, task: Task) -> None:
    container = states.container_id(task)
    position = kept.position(container)
    params = {"stdout": 1, "stderr": 1, "timestamps": 1}
    if position:
        params["since"] = int(states.moment(position).timestamp())
    url = client._url("/tasks/{0}/logs", task["ID"])
    with client._get(url, params=params, stream=True) as answer:
        client._raise_for_status(answer)
        frames: Iterator[bytes] = client._multiplexed_response_stream_helper(answer)
        kept.append(container, frames, over=task["Status"]["State"] not in states.COMING | {"running"})


def _made(task: Task) -> str:
    return str(task["CreatedAt"])
