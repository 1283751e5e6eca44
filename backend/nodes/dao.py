"""Statements over the emptying of nodes, and over whose services are on them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import distinct_on

from backend.dao.base import BaseDAO
from backend.nodes.models import DrainState, NodeDrain
from backend.projects.models import Project
from backend.services.models import Service
from backend.volumes.models import Volume


class NodeDrainDAO(BaseDAO[NodeDrain]):
    model = NodeDrain

    async def moving(self, node_id: str | None = None) -> Sequence[NodeDrain]:
        """Under lock."""
        statement = select(NodeDrain).where(NodeDrain.state == DrainState.MOVING).order_by(NodeDrain.id)
        if node_id is not None:
            statement = statement.where(NodeDrain.node_id == node_id)
        return await self.all(statement.with_for_update().execution_options(populate_existing=True))

    async def latest(self, node_ids: Collection[str]) -> dict[str, NodeDrain]:
        statement = (
            select(NodeDrain)
            .where(NodeDrain.node_id.in_(node_ids))
            .ext(distinct_on(NodeDrain.node_id))
            .order_by(NodeDrain.node_id, NodeDrain.started_at.desc())
        )
        return {drain.node_id: drain for drain in await self.all(statement)}

    async def services(self, ids: Collection[UUID]) -> dict[str, Row[Any]]:
        """(id, name, status, desired, project_id, project_name) by id as text."""
        statement = (
            select(
                Service.id,
                Service.name,
                Service.status,
                Service.desired,
                Service.live_deployment_id,
                Service.project_id,
                Project.name.label("project_name"),
            )
            .join(Project, Project.id == Service.project_id)
            .where(Service.id.in_(ids), Service.deleted_at.is_(None))
        )
        return {str(row.id): row for row in await self.rows(statement)}

    async def volumes(self, node_id: str | None = None) -> Sequence[Row[Any]]:
        """Volumes that nodes, or one of them, hold, with their services."""
        statement = (
            select(
                Volume.id,
                Volume.node,
                Volume.name,
                Volume.size_bytes,
                Volume.used_bytes,
                Volume.service_id,
                Service.name.label("service_name"),
                Service.project_id,
                Project.name.label("project_name"),
            )
            .join(Service, Service.id == Volume.service_id)
            .join(Project, Project.id == Volume.project_id)
            .where(Volume.made_bytes > 0, Volume.node.is_not(None), Volume.node != "")
            .order_by(Service.name, Volume.name)
        )
        return await self.rows(statement if node_id is None else statement.where(Volume.node == node_id))
