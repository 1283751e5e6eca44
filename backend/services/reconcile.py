"""Holding the engine to what the database says, and the database to what the engine does.

Runs every few seconds, one at a time. It leaves a service alone while a job works on it, so that it
never argues with a deployment; everything else that differs it mends: a process that died is said to
have died, a process nobody wants is removed, a route that is wrong is written again.
"""

from __future__ import annotations

from uuid import UUID

from loguru import logger
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.metering import events as usage
from backend.config import Settings
from backend.database import Database
from backend.engines.base import ALIVE, Engine, EngineError, Reason, Unit, UnitState
from backend.nodes import draining
from backend.processes import healing
from backend.processes.truth import ENDED, FILES_GONE, addresses_of, truth
from backend.services.dao import DeploymentDAO, ServiceDAO
from backend.services.models import Service, ServiceStatus
from backend.services.reasons import SUSPENDED
from backend.services.routing import Edge
from backend.timeline.exits import note_exits
from backend.timeline.recording import CRASHED, RECOVERED, note

LOCK = "services.reconcile"
ANOTHER_ENGINE = Reason("engine_changed", "It was deployed on another engine of this panel. Deploy it again.")
AWAY = Reason(
    "engine_unavailable", "The engine does not answer; the app's state is unknown.", {"detail": "away"}
)


async def reconcile(settings: Settings, database: Database, engine: Engine) -> None:
    key = func.hashtextextended(LOCK, 0)
    async with database.engine.connect() as connection:
        connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        if not (await connection.execute(select(func.pg_try_advisory_lock(key)))).scalar():
            return
        try:
            await _reconcile(settings, database, engine)
        finally:
            await connection.execute(select(func.pg_advisory_unlock(key)))


async def _reconcile(settings: Settings, database: Database, engine: Engine) -> None:
    # The database first: what changes after this is seen by `_untouched` and left for the next round.
    async with database.transaction() as session:
        services = await ServiceDAO(session).kept()
    try:
        units = await engine.units()
    except EngineError as error:
        logger.warning("the engine does not answer: {}", error.message)
        await _engine_is_away(database)
        return
    wanted = {str(service.id): service for service in services}
    by_deployment: dict[str, list[Unit]] = {}
    for unit in units:
        by_deployment.setdefault(unit.deployment_id, []).append(unit)
    for service in services:
        if service.live_deployment_id is not None and await _untouched(database, service):
            await _mend(database, engine, service, by_deployment.get(str(service.live_deployment_id), []))
    for unit in units:
        owner = wanted.get(unit.service_id)
        try:
            if owner is None:
                await _unwanted(database, engine, unit)
            elif unit.deployment_id != str(owner.live_deployment_id) and await _untouched(database, owner):
                await _superfluous(engine, unit)
        except EngineError as error:
            logger.warning("release {} stays for now: {}", unit.deployment_id, error.message)
    try:
        await engine.revive()
    except EngineError as error:
        logger.warning("what crashed is not tried again now: {}", error.message)
    await engine.collect_logs()
    await note_exits(database, engine)
    await Edge(settings, database).repair()
    await draining.follow(database, engine)


async def _untouched(database: Database, service: Service) -> bool:
    """Whether the service is as it was read, and no job is about to change it."""
    async with database.transaction() as session:
        dao = ServiceDAO(session)
        return await dao.unchanged(service.id, service.updated_at) and not await dao.busy(service.id)


async def _mend(database: Database, engine: Engine, service: Service, units: list[Unit]) -> None:
    release = str(service.live_deployment_id)
    states = {unit.state for unit in units}
    try:
        if service.should_stand_still and states & ALIVE:
            await engine.stop(release)
            await _write_down_stopped(database, service)
        elif service.should_run and states == {UnitState.STOPPED}:
            # A job may have started it since the units were read: again would be an interruption.
            units = await engine.release_units(release)
            if {unit.state for unit in units} == {UnitState.STOPPED}:
                logger.info("service {} shall run and does not: starting it", service.name)
                await engine.restart(release)
                units = await engine.release_units(release)
        elif service.should_run and units:
            await healing.complete(database, service, units)
    except EngineError as error:
        logger.warning("service {}: {}", service.name, error.message)
        if error.code == FILES_GONE.code:
            units = []
    if service.should_run:
        await _write_down(database, engine.name, service, units)


async def _write_down_stopped(database: Database, service: Service) -> None:
    """What a job that failed could not say."""
    async with database.transaction() as session:
        dao = ServiceDAO(session)
        row = await dao.get_locked(service.id)
        if row is None or row.updated_at != service.updated_at or await dao.busy(service.id):
            return
        if row.status != ServiceStatus.DELETING:
            row.becomes(ServiceStatus.STOPPED, SUSPENDED if row.suspended_at else None)
            await usage.follow(session, row)


async def _write_down(database: Database, engine: str, service: Service, units: list[Unit]) -> None:
    async with database.transaction() as session:
        dao, deployments = ServiceDAO(session), DeploymentDAO(session)
        row = await dao.get_locked(service.id)
        if row is None or row.updated_at != service.updated_at or await dao.busy(service.id):
            return
        assert row.live_deployment_id is not None
        live = await deployments.get_locked(row.live_deployment_id)
        assert live is not None
        found = truth(units, live.scale)
        if found is None:
            return
        status, reason = found
        if not units and live.engine not in (engine, None):
            reason = ANOTHER_ENGINE
        if (row.status, row.status_reason) != (status, reason and reason.message):
            logger.info("service {} is {}", service.name, status)
            await _tell(session, row, status, reason)
            row.becomes(status, reason)
            await usage.follow(session, row)
        if status is ServiceStatus.RUNNING and row.routed_deployment_id is None:
            row.routed_deployment_id = row.live_deployment_id
        if units and live.addresses != (addresses := addresses_of(units)):
            live.addresses, live.address = addresses, next(iter(addresses), None)
        await dao.flush()


async def _tell(session: AsyncSession, row: Service, status: ServiceStatus, reason: Reason | None) -> None:
    """What is more than the end of a unit, which is told as such; again when it is another trouble."""
    if status is ServiceStatus.RUNNING:
        if row.status == ServiceStatus.CRASHED:
            await note(session, row.id, RECOVERED)
    elif reason is not None and reason.code not in (ENDED.code, row.status_reason_code):
        await note(session, row.id, CRASHED, deployment_id=row.live_deployment_id, reason=reason)


async def _engine_is_away(database: Database) -> None:
    """Nobody knows whether the apps run, so nothing is said to be running."""
    async with database.transaction() as session:
        await ServiceDAO(session).execute(
            update(Service)
            .where(Service.status == ServiceStatus.RUNNING, Service.deleted_at.is_(None))
            .values(
                status=ServiceStatus.CRASHED,
                status_reason=AWAY.message,
                status_reason_code=AWAY.code,
                status_reason_parameters=AWAY.parameters,
            )
        )


async def _unwanted(database: Database, engine: Engine, unit: Unit) -> None:
    """A unit of a deleted service, or of none that we know."""
    async with database.transaction() as session:
        dao = ServiceDAO(session)
        service = await dao.get(UUID(unit.service_id))
        if service is not None and (service.deleted_at is None or await dao.busy(service.id)):
            return
    logger.warning("removing what is left of service {}", unit.service_id)
    await engine.remove_service(unit.service_id)


async def _superfluous(engine: Engine, unit: Unit) -> None:
    if unit.state in ALIVE:
        logger.warning("stopping release {}, which serves nobody", unit.deployment_id)
        await engine.stop(unit.deployment_id)
