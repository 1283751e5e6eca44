"""The letter about a cron job that keeps failing."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import Settings
from backend.cronjobs.dao import CronJobDAO
from backend.cronjobs.models import CronJob, CronRun
from backend.mail import outbox
from backend.services.dao import ServiceDAO


async def tell(session: AsyncSession, settings: Settings, cron_job: CronJob, run: CronRun) -> None:
    """To everyone who may mend it; written with what it tells of."""
    service = await ServiceDAO(session).get(cron_job.service_id)
    assert service is not None
    for person in await CronJobDAO(session).people_of(cron_job.project_id):
        await outbox.write(
            session,
            "cron_job_failing",
            to=person.email,
            locale=person.locale,
            user_id=person.id,
            name=person.name,
            job=cron_job.name,
            service=service.name,
            count=cron_job.failures,
            url=f"{settings.panel_url}/services/{service.id}/cron",
        )
