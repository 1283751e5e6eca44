"""Letters and text messages: send one, publish again what was not picked up."""

from __future__ import annotations

from uuid import UUID

from backend.billing.invoices import letters as invoices
from backend.celery.publish import send
from backend.celery.tasks.base import AsyncTask
from backend.celery.worker import app, child
from backend.config import get_settings
from backend.mail import delivery, relay
from backend.mail.outbox import QUEUE, SEND
from backend.mail.transports import transports_of


@app.task(base=AsyncTask, bind=True, name=SEND)
def send_letter(self: AsyncTask, letter_id: str) -> None:
    settings = get_settings()
    database = child().database
    attach = invoices.attachments(database, settings)
    self.await_(delivery.deliver(UUID(letter_id), database, transports_of(settings), settings, attach))


@app.task(base=AsyncTask, bind=True, name="letters.relay")
def relay_due(self: AsyncTask) -> None:
    for letter_id in self.await_(relay.due(child().database, transports_of(get_settings()))) or ():
        send(SEND, letter_id, QUEUE)
