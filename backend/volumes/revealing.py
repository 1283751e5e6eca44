"""A variable's value shown again, once and on record."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.exceptions import NotFound
from backend.services.dao import VariableDAO
from backend.services.environment import open_variable
from backend.services.models import Service
from backend.services.trail import record_about


async def variable(session: AsyncSession, service: Service, name: str) -> str:
    rows = {row.name: row for row in await VariableDAO(session).of(service.id)}
    row = rows.get(name)
    if row is None:
        raise NotFound("The service has no such variable.")
    await record_about(session, service, Action.SERVICE_VARIABLE_REVEALED, after={"name": name})
    return open_variable(service.id, name, row.sealed)
