"""Statements over public ports."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, select

from backend.dao.base import BaseDAO
from backend.ports.models import PublicPort
from backend.services.models import Service

CHOOSING = "public_ports"


class PortDAO(BaseDAO[PublicPort]):
    model = PublicPort

    async def of(self, service_id: UUID) -> PublicPort | None:
        return await self.one(select(PublicPort).where(PublicPort.service_id == service_id))

    async def taken(self) -> set[int]:
        """Of all services, for one at a time who chooses another."""
        await self.lock(CHOOSING)
        return {row.port for row in await self.rows(select(PublicPort.port))}

    async def forget(self, service_id: UUID) -> None:
        await self.execute(delete(PublicPort).where(PublicPort.service_id == service_id))

    async def open(self) -> dict[int, str]:
        """Names of services by port."""
        statement = select(PublicPort.port, Service.name).join(Service, Service.id == PublicPort.service_id)
        return {row.port: row.name for row in await self.rows(statement)}
