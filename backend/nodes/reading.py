"""The nodes of the engine with whose services are on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from backend.context import Parts
from backend.engines.nodes import Node, Nodes
from backend.exceptions import NotFound
from backend.nodes.calling import ABILITY, asked
from backend.nodes.dao import NodeDrainDAO
from backend.nodes.models import NodeDrain


async def nodes(parts: Parts) -> dict[str, Any]:
    if ABILITY not in parts.engine.abilities:
        return {"supported": False, "registry": None, "nodes": [], "waiting": []}
    found = await asked(parts.engine.nodes())
    async with parts.transaction() as session:
        dao = NodeDrainDAO(session)
        drains = await dao.latest([node.id for node in found.nodes])
        volumes = Counter(row.node for row in await dao.volumes())
        services = await dao.services(_ids(one.service_id for one in found.waiting))
    names = {node.id: node.name for node in found.nodes}
    waiting = [
        {
            "service": _service(services.get(one.service_id)),
            "process": one.process,
            "replica": one.replica,
            "node": names.get(one.pinned_to, one.pinned_to) or None,
            "why": one.why,
        }
        for one in found.waiting
    ]
    return {
        "supported": True,
        "registry": parts.settings.docker_registry or None,
        "nodes": [_shape(node, drains.get(node.id), volumes[node.id]) for node in found.nodes],
        "waiting": waiting,
    }


async def node(parts: Parts, node_id: str) -> dict[str, Any]:
    found = one_of(await asked(parts.engine.nodes()), node_id)
    async with parts.transaction() as session:
        dao = NodeDrainDAO(session)
        drains = await dao.latest([found.id])
        volumes = await dao.volumes(found.id)
        services = await dao.services(_ids(unit.service_id for unit in found.units))
    placed = [
        {
            "service": _service(services.get(unit.service_id)),
            "process": unit.process,
            "replica": unit.replica,
            "running": unit.running,
            "memory_bytes": unit.memory_bytes,
            "cpu_millis": unit.cpu_millis,
        }
        for unit in found.units
    ]
    pinned = [
        {
            "id": row.id,
            "name": row.name,
            "service": {
                "id": row.service_id,
                "name": row.service_name,
                "project_id": row.project_id,
                "project_name": row.project_name,
            },
            "size_bytes": row.size_bytes,
            "used_bytes": row.used_bytes,
        }
        for row in volumes
    ]
    return {**_shape(found, drains.get(found.id), len(volumes)), "placed": placed, "pinned": pinned}


def one_of(found: Nodes, node_id: str) -> Node:
    for node in found.nodes:
        if node.id == node_id:
            return node
    raise NotFound("There is no such node.")


def _ids(texts: Iterable[str]) -> set[UUID]:
    return {UUID(one) for one in texts}


def _service(row: Row[Any] | None) -> Mapping[str, Any] | None:
    if row is None:
        return None
    return {
        "id": row.id,
        "name": row.name,
        "project_id": row.project_id,
        "project_name": row.project_name,
    }


def _shape(node: Node, drain: NodeDrain | None, volumes: int) -> dict[str, Any]:
    return {
        "id": node.id,
        "name": node.name,
        "state": node.state,
        "why": node.why,
        "availability": node.availability.value,
        "role": "manager" if node.manager else "worker",
        "leader": node.leader,
        "here": node.here,
        "address": node.address,
        "architecture": node.architecture,
        "version": node.version,
        "cpu_millis": node.cpu_millis,
        "memory_bytes": node.memory_bytes,
        "sold_cpu_millis": sum(unit.cpu_millis for unit in node.units),
        "sold_memory_bytes": sum(unit.memory_bytes for unit in node.units),
        "units": len(node.units),
        "volumes": volumes,
        "labels": dict(sorted(node.labels.items())),
        "disk": node.disk and {"total_bytes": node.disk.total_bytes, "free_bytes": node.disk.free_bytes},
        "image_bytes": node.image_bytes,
        "drain": drain
        and {
            "state": drain.state,
            "units": len(drain.units),
            "moved": drain.moved,
            "started_at": drain.started_at,
            "finished_at": drain.finished_at,
        },
    }
