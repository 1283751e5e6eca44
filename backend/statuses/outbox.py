"""What a forge is to be told, taken from the deployments as they are.

Nobody has to think of telling: a tick compares what each deployment has come to with what was said of it
last, so that a killed worker, or another way for a deployment to end, leaves nothing unsaid.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import get_settings
from backend.database import Database, now
from backend.services.models import Service
from backend.statuses.dao import CommitStatusDAO, StatusSettingsDAO
from backend.statuses.models import Said

BATCH = 100
PATIENCE = timedelta(seconds=30)
_DEPLOYMENT = {
    Said.PENDING: "Deployment #{number} of {name} is on its way",
    Said.SUCCESS: "Deployment #{number} of {name} is live",
    Said.FAILURE: "Deployment #{number} of {name} failed",
    Said.CANCELLED: "Deployment #{number} of {name} was called off",
}
_PREVIEW = {
    "insufficient_funds": "No preview: the project's balance does not cover it",
    "plan_not_in_currency": "No preview: its plan is not sold in the project's currency",
    "project_full": "No preview: the project holds as many services as it may",
    "previews_full": "No preview: there are as many as the service may have",
    "suspended": "No preview: the service is suspended",
}


def context_of(service_name: str, *, preview: bool) -> str:
    """The same for every pull request, so that a forge can require it of a branch."""
    return f"gavan/{service_name}" + ("/preview" if preview else "")


async def collect(session: AsyncSession) -> int:
    """Write down what is to be said of a batch of deployments; gives of how many."""
    dao, settings = CommitStatusDAO(session), get_settings()
    rows = await dao.untold(BATCH)
    told: dict[str, list[UUID]] = {}
    for row in rows:
        told.setdefault(row.said, []).append(row.id)
        preview = row.preview_of is not None
        lives = preview and row.said == Said.SUCCESS
        await dao.say(
            row.by,
            context_of(row.parent or row.name, preview=preview),
            row.commit,
            said=row.said,
            description=_DEPLOYMENT[Said(row.said)].format(number=row.number, name=row.name),
            target_url=settings.app_url(row.name) if lives else f"{settings.panel_url}/deployments/{row.id}",
            deployment_id=row.id,
        )
    for said, ids in told.items():
        await dao.told(ids, said)
    return len(rows)


async def say_of_preview(session: AsyncSession, service: Service, commit: str, said: Said, code: str) -> None:
    """Of a preview that there is not: nothing where the forge is told nothing."""
    settings = await StatusSettingsDAO(session).get(service.id)
    if settings is None or not settings.enabled:
        return
    await CommitStatusDAO(session).say(
        service.id,
        context_of(service.name, preview=True),
        commit,
        said=said,
        description=_PREVIEW.get(code, "No preview"),
        target_url=f"{get_settings().panel_url}/services/{service.id}/push",
        deployment_id=None,
    )


async def due(database: Database) -> list[UUID]:
    """What is to be given to the broker now."""
    async with database.transaction() as session:
        if await collect(session):
            await CommitStatusDAO(session).flush()
    async with database.transaction() as session:
        return list(await CommitStatusDAO(session).unpublished(PATIENCE, BATCH))


async def prune(session: AsyncSession) -> int:
    """Forget a batch of what is older than the installation keeps deliveries; gives how many."""
    kept = timedelta(days=get_settings().hook_delivery_retention_days)
    return await CommitStatusDAO(session).prune(now() - kept)
