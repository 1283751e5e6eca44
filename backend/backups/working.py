"""What the jobs of backups share: what goes wrong, and an app that stands still meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from loguru import logger

from backend.backups import scratch
from backend.backups.keys import opened_by
from backend.backups.manifest import ArchiveDamaged
from backend.backups.models import Backup
from backend.backups.targets import MISSING, Target, TargetError, target_of
from backend.config import Settings
from backend.database import Database
from backend.engines.base import ALIVE, Engine, EngineError, Reason
from backend.jobs.runner import Claimed, JobError
from backend.services.dao import ServiceDAO
from backend.services.environment import Redactor
from backend.services.failures import told
from backend.services.routing import Edge
from backend.volumes import mounting

NOTHING_SECRET = Redactor(())
CANCELLED = Reason("backup_cancelled", "It was cancelled.")
DAMAGED = JobError(
    "backup_damaged", "What lies at the target is not what was stored: it was changed or cut off."
)
DIFFERS = JobError("backup_differs", "What was unpacked is not what was copied.")
GONE = JobError("volume_missing", "The volume is gone.")


@dataclass(frozen=True, slots=True)
class Place:
    settings: Settings
    database: Database
    engine: Engine
    edge: Edge

    def target(self, name: str) -> Target:
        found = target_of(self.settings, name)
        if found is None:
            raise JobError("backup_object_missing", MISSING)
        return found

    def opened_by(self, backup: Backup) -> Any:
        return opened_by(self.settings.master_key, backup.project_id)

    async def stop_app(self, job: Claimed, service_id: UUID) -> None:
        async def unroute() -> None:
            try:
                await self.edge.publish()
            except TimeoutError:
                message = "The edge did not take over the new route in time."
                raise JobError("edge_unavailable", message, retry=True) from None

        await mounting.stop_old(job, self.engine, service_id, unroute)

    async def start_app(self, service_id: UUID) -> None:
        """As it was before. What is not started now, or not said yet, the reconciler makes good."""
        async with self.database.transaction() as session:
            service = await ServiceDAO(session).get(service_id)
        if service is None or service.live_deployment_id is None or not service.should_run:
            return
        live = str(service.live_deployment_id)
        try:
            unit = await self.engine.inspect(live)
            if unit is not None and unit.state not in ALIVE:
                await self.engine.restart(live)
        except EngineError as error:
            logger.warning("service {} is started again by the reconciler: {}", service.name, error.message)

    async def sweep(self, owner_id: UUID) -> bool:
        """Whether nothing of its scratch volumes is left."""
        try:
            await scratch.remove_all(self.engine, owner_id)
        except EngineError as error:
            logger.warning("scratch volumes of {} stay for now: {}", owner_id, error.message)
            return False
        return True


@asynccontextmanager
async def classified() -> AsyncIterator[None]:
    """Everything that the outside world does not do, as the customer is told it."""
    try:
        yield
    except EngineError as error:
        raise told(error, NOTHING_SECRET) from None
    except TargetError as error:
        retry = error.code == "backup_target_unavailable"
        raise JobError(error.code, error.message, retry=retry) from None
    except ArchiveDamaged:
        raise JobError(DAMAGED.code, DAMAGED.message) from None


def note(row: Any, reason: Reason | JobError | None) -> None:
    row.reason_code = reason.code if reason else None
    row.reason = reason.message[:2000] if reason else None
    row.reason_parameters = (reason.parameters or None) if reason else None
