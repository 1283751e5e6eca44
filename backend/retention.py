"""What is kept for a while only, and its removal: in batches, a transaction each, one sweep at a time.

A batch that is killed takes nothing back of those before it, and the next sweep goes on where it ended.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import retention as audit
from backend.billing.payments import message_retention as gateway_messages
from backend.billing.runs import progress as billing_runs
from backend.consoles import ending as consoles
from backend.cronjobs import keeping as cron_runs
from backend.dao.base import BaseDAO
from backend.database import Base, Database, is_away
from backend.domains import claiming as domains
from backend.factors import expiry as factors
from backend.hooks import deliveries as hooks
from backend.jobs import relay as jobs
from backend.mail import retention as mail
from backend.metrics import retention as metrics
from backend.oauth import codes, personal, sessions, viewing
from backend.projects import invitations
from backend.sources import credentials
from backend.statuses import outbox as statuses
from backend.timeline import recording as timeline
from backend.users import history
from backend.verificationcodes import codes as verification

Prune = Callable[[AsyncSession], Awaitable[int]]
"""Removes, or ends, one batch of what is too old; gives how many rows it were, 0 when nothing is left."""

KEPT: Mapping[str, Prune] = {
    "verification codes": verification.prune,
    "second steps": factors.prune,
    "authorization codes": codes.prune,
    "personal tokens": personal.prune,
    "views of accounts": viewing.lapse,
    "sessions": sessions.prune,
    "sign-ins": history.prune,
    "invitations": invitations.prune,
    "deploy keys": credentials.prune,
    "idempotency keys": jobs.prune,
    "letters": mail.prune,
    "hook deliveries": hooks.prune,
    "commit statuses": statuses.prune,
    "cron runs": cron_runs.prune,
    "jobs of cron runs": cron_runs.prune_jobs,
    "released domains": domains.prune,
    "metrics": metrics.prune,
    "service events": timeline.prune,
    "consoles": consoles.prune,
    "billing runs": billing_runs.prune,
    "gateway messages": gateway_messages.prune,
    "audit events": audit.prune,
}
LONGEST_SECONDS = 240.0
"""A sweep that has not come to its end by then leaves the rest to the next."""


async def sweep(
    database: Database, *, kept: Mapping[str, Prune] = KEPT, seconds: float = LONGEST_SECONDS
) -> dict[str, int]:
    """Remove what is too old; gives how many rows of what.

    In turns, so that a long table holds up no other; one that fails is left to the next sweep.
    """
    end = time.monotonic() + seconds
    removed: Counter[str] = Counter()
    waiting = dict(kept)
    while waiting and time.monotonic() < end:
        for name, prune in tuple(waiting.items()):
            try:
                count = await _batch(database, name, prune)
            except Exception as error:
                if is_away(error):
                    raise
                logger.opt(exception=error).error("{} were not swept", name)
                count = 0
            removed[name] += count
            if count == 0:
                del waiting[name]
    return {name: count for name, count in removed.items() if count}


async def _batch(database: Database, name: str, prune: Prune) -> int:
    async with database.transaction() as session:
        if not await BaseDAO[Base](session).try_lock(f"sweep {name}"):
            return 0
        return await prune(session)
