"""Which builds are kept, so that a rollback can bring their releases back.

A build is noted as kept (`Deployment.build_kept`) when it went live, and no more from the moment on at which
it may be deleted: so what is offered for a rollback is there. What decides is how lately a build served, not
how many deployments ran it: going back and forth between two releases costs no third one its build.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import Settings
from backend.database import Database
from backend.engines.base import Engine
from backend.services.dao import DeploymentDAO, ServiceDAO


async def let_go(session: AsyncSession, service_id: UUID, kept: int) -> Sequence[UUID]:
    """Note that the builds beyond the newest `kept` may be deleted, and give them.

    Spared are, besides, the live release's and that of any deployment on its way. The service's row must be
    locked by the caller: a rollback is accepted under that lock too.
    """
    deployments = DeploymentDAO(session)
    superfluous = await deployments.superfluous_builds(service_id, kept)
    await deployments.note_builds_gone(superfluous)
    return superfluous


async def let_go_everywhere(settings: Settings, database: Database) -> None:
    """For what was missed: a worker that died after its release went live, a setting that was changed."""
    async with database.transaction() as session:
        services = await DeploymentDAO(session).keeping_more_than(settings.deployments_kept)
    for service_id in services:
        async with database.transaction() as session:
            if await ServiceDAO(session).get_locked(service_id) is not None:
                await let_go(session, service_id, settings.deployments_kept)


async def note_missing(database: Database, engine: Engine, of: UUID | None = None) -> None:
    """Note builds that are gone from the engine although nobody let go of them; `of` only looks at one.

    Raises `EngineError` when the engine does not say.
    """
    # The database first: what is noted as kept is there, so what is not in a later answer was deleted.
    async with database.transaction() as session:
        noted = await DeploymentDAO(session).kept_builds(of)
    if not noted:
        return
    present = await engine.builds()
    missing = [build_id for build_id in noted if str(build_id) not in present]
    if missing:
        async with database.transaction() as session:
            await DeploymentDAO(session).note_builds_gone(missing)
