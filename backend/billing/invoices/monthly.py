"""The monthly run: an invoice for each project, currency and month that is over.

Each invoice is a transaction of its own. A run that is cut off anywhere is gone on with by the next: what has
its invoice is not among the waiting any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from loguru import logger

from backend.billing.invoices.dao import InvoiceDAO
from backend.billing.invoices.issuing import issue_month
from backend.billing.invoices.months import Month
from backend.billing.runs.dao import RunDAO
from backend.billing.runs.progress import Run, SomeFailed, begin
from backend.billing.vat import checking as vat
from backend.config import Settings
from backend.database import Database, is_away, now

KIND: Final = "invoicing"
EARLIEST = timedelta(hours=2)
"""After the month's end, so that what was done in its last minutes is rated."""
LATEST = timedelta(days=3)
"""How long a month waits for rating that lags behind; what comes later is on the next invoice."""
SAID_EVERY = 20


async def run(settings: Settings, database: Database, *, at: datetime | None = None) -> None:
    """Once an hour; it does something once a month, when the month before is over and rated."""
    moment, zone = at or now(), ZoneInfo(settings.billing_time_zone)
    month = Month.of(moment - EARLIEST, zone).preceding
    if not settings.billing_enabled or not await _is_due(database, month, moment, zone):
        return
    async with begin(database, KIND, period=str(month)) as progress:
        if progress is not None:
            await _issue_all(settings, database, month, progress)


async def _is_due(database: Database, month: Month, moment: datetime, zone: ZoneInfo) -> bool:
    async with database.transaction() as session:
        if await RunDAO(session).has_succeeded(KIND, str(month)):
            return False
        end = month.ends_at(zone)
        return moment >= end + LATEST or await InvoiceDAO(session).is_rated(end, month.following.first_day)


async def _issue_all(settings: Settings, database: Database, last: Month, progress: Run) -> None:
    zone = ZoneInfo(settings.billing_time_zone)
    async with database.transaction() as session:
        waiting = await InvoiceDAO(session).waiting(last.ends_at(zone))
    # What is charged from now on is taxed by it, and the invoice is evidence of a number that was valid then.
    await vat.refresh(settings, database, {row.project_id for row in waiting})
    failed = issued = 0
    for done, row in enumerate(waiting, 1):
        for month in _months(Month.of(row.since, zone), last):
            try:
                issued += await _issue(settings, database, row.project_id, row.currency, month)
            except Exception as error:
                if is_away(error):
                    raise
                failed += 1
                logger.opt(exception=error).error("no invoice for project {} and {}", row.project_id, month)
                break
        if done % SAID_EVERY == 0 or done == len(waiting):
            await progress.say("issuing", done * 100 // len(waiting), invoices=issued, failed=failed)
            issued = 0
    if failed:
        raise SomeFailed(f"{failed} of {len(waiting)} projects have no invoice yet")


async def _issue(
    settings: Settings, database: Database, project_id: UUID, currency: str, month: Month
) -> bool:
    async with database.transaction() as session:
        return await issue_month(session, settings, project_id, currency, month) is not None


def _months(first: Month, last: Month) -> Iterator[Month]:
    """Those that a panel that was away has missed, too."""
    while first <= last:
        yield first
        first = first.following
