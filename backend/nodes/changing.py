"""What administrators do to nodes. The swarm is asked outside of transactions; what was done is on record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.context import Parts
from backend.database import now
from backend.engines.nodes import Availability, JoinOrder, Node, Nodes
from backend.engines.scale import unit_name
from backend.exceptions import Conflict
from backend.nodes.calling import asked, supported
from backend.nodes.dao import NodeDrainDAO
from backend.nodes.models import DrainState, NodeDrain
from backend.nodes.reading import one_of


async def set_availability(
    parts: Parts, node_id: str, wanted: Availability, user_id: UUID, *, accept_standstill: bool
) -> None:
    supported(parts.engine)
    found = await asked(parts.engine.nodes())
    node = one_of(found, node_id)
    if node.availability == wanted:
        return
    if wanted is Availability.DRAIN:
        await _begin_drain(parts, found, node, user_id, accept_standstill=accept_standstill)
    else:
        await asked(parts.engine.set_availability(node.id, wanted))
        async with parts.transaction() as session:
            for drain in await NodeDrainDAO(session).moving(node.id):
                drain.state, drain.finished_at = DrainState.ENDED, now()
            await _record_availability(session, node, wanted)
        return
    # Written down first: should this process end here, the reconciler does it.
    await asked(parts.engine.set_availability(node.id, wanted))


async def _begin_drain(
    parts: Parts, found: Nodes, node: Node, user_id: UUID, *, accept_standstill: bool
) -> None:
    others = [
        one
        for one in found.nodes
        if one.id != node.id and one.state == "ready" and one.availability is Availability.ACTIVE
    ]
    if not others and node.units:
        message = "No other node takes what runs here: add one, or make one active."
        raise Conflict(message, code="node_is_last")
    if not parts.settings.docker_registry and node.units:
        message = "Other nodes cannot fetch what was built here: set DOCKER_REGISTRY, and deploy again."
        raise Conflict(message, code="node_without_registry")
    async with parts.transaction() as session:
        dao = NodeDrainDAO(session)
        volumes = await dao.volumes(node.id)
        if volumes and not accept_standstill:
            names = sorted({str(row.service_name) for row in volumes})
            raise Conflict(
                f"The data of {', '.join(names)} is here: they would stand still until it takes units again.",
                code="node_has_volumes",
                parameters={"services": names},
            )
        units = [
            [unit.deployment_id, unit.service_id, unit_name(unit.process, unit.replica)]
            for unit in node.units
        ]
        drain = NodeDrain(node_id=node.id, node_name=node.name[:255], user_id=user_id, units=units)
        try:
            await dao.add(drain)
            await dao.flush()
        except IntegrityError:
            raise Conflict("This node is being emptied already.", code="node_moving") from None
        await _record_availability(session, node, Availability.DRAIN)


async def _record_availability(session: AsyncSession, node: Node, wanted: Availability) -> None:
    before, after = {"availability": node.availability.value}, {"availability": wanted.value}
    await _record(session, Action.NODE_AVAILABILITY_CHANGED, node, before, after)


async def set_labels(parts: Parts, node_id: str, labels: Mapping[str, str]) -> None:
    supported(parts.engine)
    node = one_of(await asked(parts.engine.nodes()), node_id)
    if dict(node.labels) == dict(labels):
        return
    await asked(parts.engine.set_node_labels(node.id, labels))
    async with parts.transaction() as session:
        before, after = {"labels": dict(node.labels)}, {"labels": dict(labels)}
        await _record(session, Action.NODE_LABELS_CHANGED, node, before, after)


async def remove(parts: Parts, node_id: str) -> None:
    supported(parts.engine)
    node = one_of(await asked(parts.engine.nodes()), node_id)
    async with parts.transaction() as session:
        volumes = await NodeDrainDAO(session).volumes(node.id)
    if volumes:
        names = ", ".join(sorted({str(row.service_name) for row in volumes}))
        message = f"The data of {names} is on this node; delete the volumes first."
        raise Conflict(message, code="node_has_volumes")
    await asked(parts.engine.remove_node(node.id))
    async with parts.transaction() as session:
        for drain in await NodeDrainDAO(session).moving(node.id):
            drain.state, drain.finished_at = DrainState.ENDED, now()
        await _record(session, Action.NODE_REMOVED, node, {"address": node.address}, None)


async def join_order(parts: Parts, *, rotate: bool) -> JoinOrder:
    """On record before it is shown."""
    supported(parts.engine)
    async with parts.transaction() as session:
        await trail.record(
            session,
            Action.NODE_TOKEN_ROTATED if rotate else Action.NODE_TOKEN_SHOWN,
            object_type="node",
        )
    return await asked(parts.engine.join_order(rotate=rotate))


async def _record(
    session: AsyncSession,
    action: Action,
    node: Node,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    await trail.record(
        session,
        action,
        object_type="node",
        object_id=node.id,
        object_name=node.name,
        before=before,
        after=after,
    )
