"""Units that should be there and are not: the reconciler has them made again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from loguru import logger

from backend.database import Database
from backend.engines.base import Unit, UnitState
from backend.engines.scale import unit_names
from backend.jobs import queue
from backend.processes.changing import SCALE
from backend.processes.dao import ProcessDAO
from backend.processes.wanted import chosen
from backend.services.dao import DeploymentDAO, ServiceDAO
from backend.services.models import Service

PATIENCE = timedelta(minutes=5)
"""Between two trials for one service."""


async def complete(database: Database, service: Service, units: Sequence[Unit]) -> None:
    """Accept a job for a release that serves with other units than it shall, or some that were stopped."""
    async with database.transaction() as session:
        dao = ServiceDAO(session)
        row = await dao.get_locked(service.id)
        if row is None or row.updated_at != service.updated_at or await dao.busy(service.id):
            return
        assert row.live_deployment_id is not None
        deployment = await DeploymentDAO(session).get(row.live_deployment_id)
        if deployment is None:
            return
        # Not as it was scaled last: that may have been while it stood still.
        wanted = set(unit_names(await chosen(session, deployment)))
        there = {(unit.process, unit.replica) for unit in units if unit.state is not UnitState.STOPPED}
        if there == wanted or await ProcessDAO(session).scaled_within(service.id, SCALE, PATIENCE):
            return
        logger.info("service {} has {} of its {} units", service.name, len(there), len(wanted))
        await queue.accept(session, SCALE, project_id=row.project_id, user_id=None, service_id=row.id)
