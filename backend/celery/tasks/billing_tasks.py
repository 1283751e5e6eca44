"""Money: payments that nobody tells of, usage, months that are over, projects whose money runs out, sums."""

from __future__ import annotations

from uuid import UUID

from backend.billing.dunning import running as dunning
from backend.billing.invoices import monthly
from backend.billing.ledger import verification
from backend.billing.metering import rating
from backend.billing.payments import messages, polling
from backend.billing.traffic import counting as traffic
from backend.billing.vat import checking as vat
from backend.celery.desk import desk
from backend.celery.tasks.base import AsyncTask
from backend.celery.worker import app, child
from backend.config import get_settings


@app.task(base=AsyncTask, bind=True, name=messages.APPLY)
def apply_message(self: AsyncTask, message_id: str) -> None:
    self.await_(messages.apply(desk(), UUID(message_id)))


@app.task(base=AsyncTask, bind=True, name="payments.poll")
def poll_payments(self: AsyncTask) -> None:
    self.await_(polling.run(desk()))


@app.task(base=AsyncTask, bind=True, name="billing.rating")
def rate_usage(self: AsyncTask) -> None:
    self.await_(rating.run(get_settings(), child().database))


@app.task(base=AsyncTask, bind=True, name="billing.traffic")
def count_traffic(self: AsyncTask) -> None:
    self.await_(traffic.run(get_settings(), child().database))


@app.task(base=AsyncTask, bind=True, name="billing.dunning")
def dun(self: AsyncTask) -> None:
    self.await_(dunning.run(get_settings(), child().database))


@app.task(base=AsyncTask, bind=True, name="billing.invoice")
def issue_invoices(self: AsyncTask) -> None:
    self.await_(monthly.run(get_settings(), child().database))


@app.task(base=AsyncTask, bind=True, name=vat.CHECK)
def check_vat_number(self: AsyncTask, project_id: str) -> None:
    self.await_(vat.check(get_settings(), child().database, UUID(project_id)))


@app.task(base=AsyncTask, bind=True, name="billing.vat_numbers")
def refresh_vat_numbers(self: AsyncTask) -> None:
    self.await_(vat.refresh(get_settings(), child().database))


@app.task(base=AsyncTask, bind=True, name="billing.verify")
def verify_ledger(self: AsyncTask) -> None:
    self.await_(verification.verify(child().database))
