"""The history of what came in: bounded for each service, kept for a while, shown by the page."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from loguru import logger
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import get_settings
from backend.dao.listing import Listing, Sort, moment
from backend.database import LOST, Database, now
from backend.hooks.dao import DeliveryDAO
from backend.hooks.forges import Call
from backend.hooks.models import HookDelivery, Outcome
from backend.hooks.pulls import Pull
from backend.hooks.pushes import Push
from backend.hooks.verdict import Ignored, shown
from backend.services.models import Deployment

KEPT = 200
KEPT_REFUSED = 20
"""Of one service; those that anybody can cause have a bound of their own, and push nothing else out."""
UNKNOWN = Call(None, "", None)
"""What nobody recognised."""


async def record(
    session: AsyncSession,
    service_id: UUID,
    call: Call,
    outcome: Outcome,
    *,
    push: Push | None = None,
    pull: Pull | None = None,
    ignored: Ignored | None = None,
    deployment_id: UUID | None = None,
) -> HookDelivery:
    dao = DeliveryDAO(session)
    refused = outcome is Outcome.REFUSED
    row = HookDelivery(
        service_id=service_id,
        received_at=now(),
        forge=call.forge,
        event=call.event,
        delivery_id=None if refused else call.delivery_id,
        branch=shown(push.name) if push is not None and push.kind == "branch" else None,
        commit=push.commit if push else pull.commit if pull else None,
        previous=push.previous if push else None,
        subject=(push.subject or None) if push else pull and f"#{pull.number} {pull.title}"[:200],
        outcome=outcome,
        reason_code=ignored.code if ignored else None,
        reason_parameters=(ignored.parameters or None) if ignored else None,
        deployment_id=deployment_id,
    )
    await dao.add(row)
    if refused:
        await dao.trim(service_id, [Outcome.REFUSED], KEPT_REFUSED)
    else:
        await dao.trim(service_id, [one for one in Outcome if one is not Outcome.REFUSED], KEPT)
    return row


async def prune(session: AsyncSession) -> int:
    """Forget a batch of what is older than the installation keeps; gives how many rows."""
    kept = timedelta(days=get_settings().hook_delivery_retention_days)
    return await DeliveryDAO(session).prune(now() - kept)


@dataclass(frozen=True, slots=True)
class _Refusal:
    service_id: UUID
    code: str


class Refusals:
    """Writes down, behind the answer, that somebody called without the secret.

    Behind it, since an unknown webhook has nothing to write and is answered in the same time; and each
    kind once in a while, since anybody can call as often as they like.
    """

    EVERY = 10.0
    REMEMBERED = 10_000

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: OrderedDict[_Refusal, float] = OrderedDict()
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, service_id: UUID, call: Call, code: str) -> None:
        refusal, at = _Refusal(service_id, code), time.monotonic()
        if at - self._noted.get(refusal, float("-inf")) < self.EVERY:
            return
        self._noted[refusal] = at
        self._noted.move_to_end(refusal)
        if len(self._noted) > self.REMEMBERED:
            self._noted.popitem(last=False)
        task = asyncio.create_task(self._write(refusal, call))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        """Wait for what is being written."""
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def _write(self, refusal: _Refusal, call: Call) -> None:
        try:
            async with self._database.transaction() as session:
                why = Ignored(refusal.code)
                await record(session, refusal.service_id, call, Outcome.REFUSED, ignored=why)
        except LOST as error:
            logger.warning("a refused delivery was not written: {}", type(error).__name__)


_COLUMNS = (
    *("id", "received_at", "forge", "event", "branch", "commit", "subject", "outcome"),
    *("reason_code", "reason_parameters", "deployment_id"),
)


def shape_delivery(row: Mapping[str, Any]) -> dict[str, Any]:
    shaped = {name: row[name] for name in _COLUMNS if name != "deployment_id"}
    number = row["deployment_number"]
    return {**shaped, "deployment": number and {"id": row["deployment_id"], "number": number}}


DELIVERIES = Listing(
    select(
        *(getattr(HookDelivery, name) for name in _COLUMNS),
        Deployment.number.label("deployment_number"),
    ).outerjoin(Deployment, Deployment.id == HookDelivery.deployment_id),
    id_column=HookDelivery.id,
    filters={"service_id": lambda value: HookDelivery.service_id == value},
    sorts={"received_at": Sort(HookDelivery.received_at, moment)},
    shape=shape_delivery,
)
