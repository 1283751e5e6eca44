"""Statements over what services shall run of each process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, exists, insert, select, update

from backend.dao.base import BaseDAO
from backend.database import now
from backend.jobs.models import Job
from backend.services.models import ServiceProcess


class ProcessDAO(BaseDAO[ServiceProcess]):
    model = ServiceProcess

    async def of(self, service_id: UUID) -> Sequence[ServiceProcess]:
        statement = select(ServiceProcess).where(ServiceProcess.service_id == service_id)
        return await self.all(statement.order_by(ServiceProcess.name))

    async def replace(self, service_id: UUID, rows: Mapping[str, tuple[int, str | None]]) -> None:
        """By name: how many, and its own command."""
        await self.execute(delete(ServiceProcess).where(ServiceProcess.service_id == service_id))
        if rows:
            values = [
                {"service_id": service_id, "name": name, "replicas": replicas, "command": command}
                for name, (replicas, command) in rows.items()
            ]
            await self.execute(insert(ServiceProcess), values)

    async def rest(self, service_id: UUID, names: Sequence[str]) -> None:
        """Run none of these."""
        await self.execute(
            update(ServiceProcess)
            .where(ServiceProcess.service_id == service_id, ServiceProcess.name.in_(names))
            .values(replicas=0)
        )

    async def scaled_within(self, service_id: UUID, kind: str, span: timedelta) -> bool:
        """Whether a job of that kind was accepted for the service so lately."""
        statement = select(
            exists().where(Job.service_id == service_id, Job.kind == kind, Job.created_at > now() - span)
        )
        return bool(await self.scalar(statement))
