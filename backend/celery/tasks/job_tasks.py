"""Durable jobs: run one, publish again what was not picked up, forget what is old."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from backend.billing.payments.kinds import kinds as payment_kinds
from backend.celery.desk import desk
from backend.celery.publish import send
from backend.celery.tasks.base import AsyncTask
from backend.celery.worker import app, child
from backend.config import get_settings
from backend.cronjobs.serving import QUEUE as CRON
from backend.cronjobs.serving import serve
from backend.jobs import relay, runner
from backend.jobs.queue import RUN
from backend.services.kinds import kinds


@app.task(base=AsyncTask, bind=True, name=RUN)
def run(self: AsyncTask, job_id: str) -> None:
    settings = get_settings()
    work = kinds(settings, child().database, child().engine) | payment_kinds(desk())
    lease = timedelta(seconds=settings.job_lease_seconds)
    if self.request.delivery_info.get("routing_key") == CRON:
        self.await_(serve(UUID(job_id), child().database, work, lease))
        return
    waiting = self.await_(runner.run(UUID(job_id), child().database, work, lease))
    if waiting is not None:
        send(RUN, *waiting)


@app.task(base=AsyncTask, bind=True, name="jobs.relay")
def relay_due(self: AsyncTask) -> None:
    for job_id, queue in self.await_(relay.due(child().database)) or ():
        send(RUN, job_id, queue)
