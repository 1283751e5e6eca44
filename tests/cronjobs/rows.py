"""A cron job with a run that waits, for tests that want one of everything."""

from __future__ import annotations

from uuid import UUID

from backend.cronjobs.models import CronJob, CronRun
from backend.utils.ids import new_id


def cron_rows(project_id: UUID, service_id: UUID) -> tuple[CronJob, CronRun]:
    whose = {"project_id": project_id, "service_id": service_id}
    job = CronJob(
        id=new_id(),
        **whose,
        name="Hourly count",
        schedule="30 3 * * *",
        time_zone="UTC",
        command="python report.py",
        overlap="queue",
        timeout_seconds=60,
        enabled=True,
    )
    run = CronRun(
        id=new_id(), **whose, cron_job_id=job.id, trigger="manual", command=job.command, timeout_seconds=60
    )
    return job, run
