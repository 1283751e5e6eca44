"""Follows nodes that are emptied until what was there runs elsewhere and is well."""

from __future__ import annotations

from uuid import UUID

from loguru import logger

from backend.database import Database, now
from backend.engines.base import Engine, EngineError
from backend.engines.nodes import Availability, Nodes
from backend.engines.scale import unit_name
from backend.nodes.calling import ABILITY
from backend.nodes.dao import NodeDrainDAO
from backend.nodes.models import DrainState, NodeDrain
from backend.services.models import Desired, ServiceStatus

Whose = tuple[str, str]
"""Deployment and name of a unit."""


async def follow(database: Database, engine: Engine) -> None:
    """For each round of the reconciler. Finishes what a killed panel began."""
    if ABILITY not in engine.abilities:
        return
    async with database.transaction() as session:
        moving = [(drain.id, drain.node_id) for drain in await NodeDrainDAO(session).moving()]
    if not moving:
        return
    try:
        found = await engine.nodes()
        for _, node_id in moving:
            await _apply(database, engine, found, node_id)
        found = await engine.nodes()
    except EngineError as error:
        logger.warning("how far nodes are emptied is not known now: {}", error.message)
        return
    async with database.transaction() as session:
        dao = NodeDrainDAO(session)
        for drain in await dao.moving():
            await _write_down(dao, drain, found)


async def _apply(database: Database, engine: Engine, found: Nodes, node_id: str) -> None:
    """Have the swarm know it, once: who lets the node take units again later means it."""
    async with database.transaction() as session:
        known = [drain.applied_at for drain in await NodeDrainDAO(session).moving(node_id)]
    if known != [None]:
        return
    if any(node.id == node_id and node.availability is not Availability.DRAIN for node in found.nodes):
        await engine.set_availability(node_id, Availability.DRAIN)
    async with database.transaction() as session:
        for drain in await NodeDrainDAO(session).moving(node_id):
            drain.applied_at = drain.applied_at or now()


async def _write_down(dao: NodeDrainDAO, drain: NodeDrain, found: Nodes) -> None:
    node = next((node for node in found.nodes if node.id == drain.node_id), None)
    if node is None or (drain.applied_at and node.availability is not Availability.DRAIN):
        drain.state, drain.finished_at = DrainState.ENDED, now()
        return
    there = {(unit.deployment_id, unit_name(unit.process, unit.replica)) for unit in node.units}
    runs = {
        (unit.deployment_id, unit_name(unit.process, unit.replica))
        for other in found.nodes
        if other.id != node.id
        for unit in other.units
        if unit.running
    }
    services = await dao.services({UUID(service_id) for _, service_id, _ in drain.units})
    moved = 0
    for deployment_id, service_id, name in drain.units:
        unit = (deployment_id, name)
        service = services.get(service_id)
        wanted = (
            service is not None
            and service.desired == Desired.RUNNING
            and str(service.live_deployment_id) == deployment_id
        )
        well = service is not None and service.status == ServiceStatus.RUNNING
        moved += unit not in there and (not wanted or (unit in runs and well))
    drain.moved = moved
    if moved == len(drain.units) and not there:
        drain.state, drain.finished_at = DrainState.DRAINED, now()
        logger.info("the node {} is empty", drain.node_name)
