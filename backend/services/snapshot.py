"""What one deployment works from."""

from __future__ import annotations

from dataclasses import dataclass

from backend.catalogue.models import Plan
from backend.database import Database
from backend.engines.base import Access, Limits, ProcessSpec, ReleaseSpec
from backend.jobs.runner import Claimed
from backend.services import making
from backend.services.dao import DeploymentDAO, ServiceDAO
from backend.services.environment import open_snapshot
from backend.services.models import Deployment, Service
from backend.services.releasespec import compose, limits_of


@dataclass(slots=True)
class Snapshot:
    """What one deployment works from, read once."""

    deployment: Deployment
    service: Service
    limits: Limits
    environment: dict[str, str]
    access: Access | None
    """To its repository, as the service has it now: a token that was replaced is of no use any more."""
    logins: tuple[Access, ...]
    """To registries of images, likewise."""
    archive: tuple[str, str]
    restored: Deployment | None
    """Of a rollback: the kept release that it brings back."""

    def secrets(self) -> tuple[str, ...]:
        own = (self.access.token, self.access.private_key) if self.access else ()
        return (*own, *(login.token for login in self.logins))

    def release(self, command: str, processes: tuple[ProcessSpec, ...]) -> ReleaseSpec:
        return compose(self.service, self.deployment, command, self.limits, self.environment, processes)


async def read(database: Database, job: Claimed) -> Snapshot:
    assert job.deployment_id is not None
    assert job.service_id is not None
    async with database.transaction() as session:
        deployment = await DeploymentDAO(session).get(job.deployment_id)
        service = await ServiceDAO(session).get(job.service_id)
        assert deployment is not None
        assert service is not None
        plan = await session.get(Plan, deployment.plan_id)
        assert plan is not None
        restored = await session.get(Deployment, deployment.restores_id) if deployment.restores_id else None
        access, logins = await making.access_of(session, service, deployment)
        archive = await making.archive_of(session, deployment)
    environment = open_snapshot(deployment.id, deployment.environment)
    return Snapshot(deployment, service, limits_of(plan), environment, access, logins, archive, restored)
