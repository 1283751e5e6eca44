"""The processes of a service as the API shows them: what shall run, and what the engine says does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import Settings
from backend.context import Parts
from backend.engines.base import EngineError, Unit
from backend.engines.scale import WEB
from backend.processes.dao import ProcessDAO
from backend.processes.wanted import commands_of, scale_bounds
from backend.services.dao import DeploymentDAO
from backend.services.models import Service


async def running(parts: Parts, deployment_id: UUID | None) -> Sequence[Unit] | None:
    """The live release's units; None while the engine does not say."""
    if deployment_id is None:
        return []
    try:
        return await parts.engine.release_units(str(deployment_id))
    except EngineError as error:
        logger.debug("the units of {} are not known: {}", deployment_id, error.message)
        return None


async def shaped(
    session: AsyncSession, settings: Settings, service: Service, units: Sequence[Unit] | None
) -> dict[str, Any]:
    rows = {row.name: row for row in await ProcessDAO(session).of(service.id)}
    live = (
        await DeploymentDAO(session).get(service.live_deployment_id) if service.live_deployment_id else None
    )
    found = commands_of(live) if live is not None else {}
    bounds = await scale_bounds(session, settings, service.id)
    ran = {unit.process for unit in units or ()}
    processes = []
    for name in [WEB, *sorted((found.keys() | rows.keys() | ran) - {WEB})]:
        row = rows.get(name)
        said = live.processes.get(name) if live is not None else None
        processes.append(
            {
                "name": name,
                "replicas": row.replicas if row else int(name == WEB),
                "command": row.command if row else None,
                "found_command": said or (live.command or None if live and name == WEB else None),
                "units": [_shape(unit) for unit in units or () if unit.process == name],
            }
        )
    return {
        "restart_policy": service.restart_policy,
        "bounds": {
            "per_process": bounds.per_process,
            "per_service": bounds.per_service,
            "web": min(bounds.web, bounds.per_process),
        },
        "plan_units": sum(process["replicas"] for process in processes),
        "units_known": units is not None,
        "processes": processes,
    }


def _shape(unit: Unit) -> dict[str, Any]:
    reason = unit.reason
    return {
        "name": unit.name,
        "replica": unit.replica,
        "state": unit.state,
        "listening": unit.listening,
        "started_at": unit.started_at,
        "reason": reason.message if reason else None,
        "reason_code": reason.code if reason else None,
        "reason_parameters": (reason.parameters or None) if reason else None,
    }
