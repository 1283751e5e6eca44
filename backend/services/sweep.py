"""What the engine does now and then: frees what nobody needs any more, and tries what it says of itself."""

from __future__ import annotations

from loguru import logger

from backend.config import Settings
from backend.cronjobs.keeping import stop_unwanted
from backend.database import Database
from backend.engines.base import Engine, EngineError
from backend.services.dao import DeploymentDAO
from backend.services.retention import let_go_everywhere, note_missing
from backend.sources import archives


async def examine(engine: Engine) -> None:
    """Have the engine find out what its cautions then say."""
    try:
        await engine.examine()
    except EngineError as error:
        logger.warning("what isolates customers is not tried now: {}", error.message)


async def sweep(settings: Settings, database: Database, engine: Engine) -> list[str]:
    """Remove all but the deployments that run, may run again, or are being made; gives what was removed."""
    await let_go_everywhere(settings, database)
    await archives.sweep(settings, database)
    try:
        await note_missing(database, engine)
        await stop_unwanted(database, engine)
        async with database.transaction() as session:
            wanted = await DeploymentDAO(session).wanted()
        removed = await engine.reap({str(deployment_id) for deployment_id in wanted})
    except EngineError as error:
        logger.warning("the sweep waits: {}", error.message)
        return []
    if removed:
        logger.info("{} old folders removed", len(removed))
    return removed
