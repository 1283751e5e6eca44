"""The machines that services run on, for administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from backend.context import PartsDep
from backend.engines.nodes import Availability
from backend.nodes import changing, reading
from backend.nodes import schemas as s
from backend.nodes.calling import supported
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ADMIN_NODES
from backend.utils.http import json_answer

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])

Administrator = Annotated[Principal, Depends(require(ADMIN_NODES))]
NodeId = Annotated[str, Path(max_length=64, pattern=r"^[0-9A-Za-z]+$", examples=[s.EXAMPLE])]
Proven = Annotated[Principal, Depends(require(ADMIN_NODES, recent=True))]


@router.get(
    "/nodes",
    operation_id="admin_nodes_list",
    summary="Nodes",
    response_model=s.NodesView,
    responses=problems(401, 403, 503),
)
async def admin_nodes_list(parts: PartsDep, _: Administrator) -> Response:
    """What each can take and has taken, as the engine sees it now."""
    return json_answer(await reading.nodes(parts))


@router.get(
    "/nodes/{node_id}",
    operation_id="admin_nodes_get",
    summary="A node",
    response_model=s.NodeDetail,
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def admin_nodes_get(node_id: NodeId, parts: PartsDep, _: Administrator) -> Response:
    """With the units that are there, and the volumes."""
    supported(parts.engine)
    return json_answer(await reading.node(parts, node_id))


@router.post(
    "/nodes/{node_id}/availability",
    operation_id="admin_nodes_set_availability",
    summary="Drain, pause or activate a node",
    response_model=s.NodeDetail,
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def admin_nodes_set_availability(
    node_id: NodeId, wanted: s.AvailabilityIn, parts: PartsDep, principal: Proven
) -> Response:
    """Answers once the engine knows it; `drain` in the answer then says how far a drained node is.

    A node on which volumes are is drained only with `accept_standstill`.
    """
    await changing.set_availability(
        parts,
        node_id,
        Availability(wanted.availability),
        principal.user_id,
        accept_standstill=wanted.accept_standstill,
    )
    return json_answer(await reading.node(parts, node_id))


@router.put(
    "/nodes/{node_id}/labels",
    operation_id="admin_nodes_set_labels",
    summary="Label a node",
    response_model=s.NodeDetail,
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def admin_nodes_set_labels(
    node_id: NodeId, wanted: s.LabelsIn, parts: PartsDep, _: Administrator
) -> Response:
    """Replaces all labels."""
    await changing.set_labels(parts, node_id, wanted.labels)
    return json_answer(await reading.node(parts, node_id))


@router.delete(
    "/nodes/{node_id}",
    operation_id="admin_nodes_delete",
    summary="Remove a node",
    status_code=204,
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def admin_nodes_delete(node_id: NodeId, parts: PartsDep, _: Proven) -> Response:
    """One that is down and holds no volume."""
    await changing.remove(parts, node_id)
    return Response(status_code=204)


@router.post(
    "/node-join-order",
    operation_id="admin_nodes_join_order",
    summary="How to add a node",
    response_model=s.JoinOrderView,
    responses=problems(401, 403, 409, 422, 503),
)
async def admin_nodes_join_order(wanted: s.JoinOrderIn, parts: PartsDep, _: Proven) -> Response:
    """The command for the new machine, with a token that lets it in. Each look at it is on record."""
    order = await changing.join_order(parts, rotate=wanted.rotate)
    return json_answer({"command": order.command})
