"""Statements over `billing_runs`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from backend.billing.runs.models import BillingRun, RunState
from backend.dao.base import BaseDAO
from backend.database import now
from backend.utils.ids import new_id


class RunDAO(BaseDAO[BillingRun]):
    model = BillingRun

    async def open(self, kind: str, period: str | None) -> UUID | None:
        """A new run; None while another of its kind is at work."""
        statement = (
            insert(BillingRun)
            .values(id=new_id(), kind=kind, period=period, started_at=now(), seen_at=now())
            .on_conflict_do_nothing()
            .returning(BillingRun.id)
        )
        opened: UUID | None = await self.scalar(statement)
        return opened

    async def interrupt(self, kind: str, silent_since: datetime) -> int:
        """Close the run whose worker has said nothing since."""
        return await self.execute(
            update(BillingRun)
            .where(
                BillingRun.kind == kind,
                BillingRun.state == RunState.RUNNING,
                BillingRun.seen_at < silent_since,
            )
            .values(state=RunState.INTERRUPTED, finished_at=BillingRun.seen_at)
        )

    async def write(self, run_id: UUID, **values: Any) -> bool:
        """Change the run as long as it is running: False once it was thought to be dead."""
        statement = update(BillingRun).where(BillingRun.id == run_id, BillingRun.state == RunState.RUNNING)
        return bool(await self.execute(statement.values(seen_at=now(), **values)))

    async def has_succeeded(self, kind: str, period: str) -> bool:
        """Whether that period is done with."""
        succeeded = (BillingRun.period == period, BillingRun.state == RunState.SUCCEEDED)
        return bool(await self.scalar(select(exists().where(BillingRun.kind == kind, *succeeded))))

    async def forget_empty(self, kind: str, but: UUID) -> None:
        """Of runs that found nothing to do only the last is of interest."""
        await self.execute(
            delete(BillingRun).where(
                BillingRun.kind == kind,
                BillingRun.state == RunState.SUCCEEDED,
                BillingRun.counts == literal({}, JSONB),
                BillingRun.id != but,
            )
        )
