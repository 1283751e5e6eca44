"""Holding the engine to what the database says, and the database to what the engine does.

Runs every few seconds, one at a time. It leaves a service alone while a job works on it, so that it
never argues with a deployment; everything else that differs it mends: a process that died is said to
have died, a process nobody wants is removed, a route that is wrong is written again.
"""

from __future__ import annotations

from uuid import UUID

from loguru import logger
from sqlalchemy import func, select, update

from backend.billing.metering import events as usage
from backend.config import Settings
from backend.database import Database
from backend.engines.base import ALIVE, Engine, EngineError, Reason, Unit, UnitState
from backend.engines.errors import Parameters
from backend.services.dao import DeploymentDAO, ServiceDAO
from backend.services.models import Service, ServiceStatus
from backend.services.reasons import SUSPENDED
from backend.services.routing import Edge

LOCK = "services.reconcile"
FILES_GONE = Reason("release_missing", "The files of the release are gone from the machine. Deploy again.")
ANOTHER_ENGINE = Reason("engine_changed", "It was deployed on another engine of this panel. Deploy it again.")
ENDED = Reason("unit_exited", "The app stopped by itself.")
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
    by_deployment = {unit.deployment_id: unit for unit in units}
    for service in services:
        if service.live_deployment_id is not None and await _untouched(database, service):
            await _mend(database, engine, service, by_deployment.get(str(service.live_deployment_id)))
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
    await Edge(settings, database).repair()


async def _untouched(database: Database, service: Service) -> bool:
    """Whether the service is as it was read, and no job is about to change it."""
    async with database.transaction() as session:
        dao = ServiceDAO(session)
        return await dao.unchanged(service.id, service.updated_at) and not await dao.busy(service.id)


async def _mend(database: Database, engine: Engine, service: Service, unit: Unit | None) -> None:
    try:
        if service.should_stand_still and unit is not None and unit.state in ALIVE:
            await engine.stop(unit.deployment_id)
            await _write_down_stopped(database, service)
        elif service.should_run and unit is not None and unit.state is UnitState.STOPPED:
            logger.info("service {} shall run and does not: starting it", service.name)
            unit = await engine.restart(unit.deployment_id)
    except EngineError as error:
        logger.warning("service {}: {}", service.name, error.message)
        if error.code == FILES_GONE.code:
            unit = None
    if service.should_run:
        await _write_down(database, engine.name, service, unit)


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


async def _write_down(database: Database, engine: str, service: Service, unit: Unit | None) -> None:
    if unit is not None and unit.state is UnitState.STARTING:
        return
    status, reason = _truth(unit)
    async with database.transaction() as session:
        dao, deployments = ServiceDAO(session), DeploymentDAO(session)
        row = await dao.get_locked(service.id)
        if row is None or row.updated_at != service.updated_at or await dao.busy(service.id):
            return
        if unit is None and row.live_deployment_id is not None:
            live = await deployments.get(row.live_deployment_id)
            if live is not None and live.engine not in (engine, None):
                reason = ANOTHER_ENGINE
        if (row.status, row.status_reason) != (status, reason and reason.message):
            logger.info("service {} is {}", service.name, status)
            row.becomes(status, reason)
            await usage.follow(session, row)
        if status is ServiceStatus.RUNNING and row.routed_deployment_id is None:
            row.routed_deployment_id = row.live_deployment_id
        if unit is not None:
            deployment = await deployments.get_locked(UUID(unit.deployment_id))
            if deployment is not None and deployment.address != unit.address:
                deployment.address = unit.address
        await dao.flush()


def _truth(unit: Unit | None) -> tuple[ServiceStatus, Reason | None]:
    if unit is None:
        return ServiceStatus.CRASHED, FILES_GONE
    if unit.state is UnitState.RUNNING:
        if unit.listening is False:
            return ServiceStatus.CRASHED, _deaf(unit.reason)
        return ServiceStatus.RUNNING, None
    return ServiceStatus.CRASHED, unit.reason or ENDED


def _deaf(before: Reason | None) -> Reason:
    message = "The app runs, but does not listen on its port."
    parameters: Parameters = {"detail": "deaf"}
    if before is not None:
        message += f" Before that: {before.message}"
        parameters = {**before.parameters, **parameters}
    return Reason("unit_not_listening", message, parameters)


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
