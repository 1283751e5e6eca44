"""Time passes over projects that run out of money, without waiting for it and without an engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from backend.billing.dunning import resume, running
from backend.billing.dunning.models import DunningState
from backend.billing.ledger import moves
from backend.config import Settings
from backend.database import Database
from backend.jobs import runner
from backend.jobs.models import Job, JobState
from backend.jobs.runner import Kind
from backend.mail.models import Letter
from backend.services.models import Service
from backend.services.operations import Operations
from tests.billing.meters import DAY, Ship, at
from tests.billing.purse import ABOUT, Purse

START = at("2026-03-01 12:00")
LEASE = timedelta(seconds=30)


class Lost(Exception):
    """The process died before the transaction was committed."""


class StillEngine:
    """Notes what it is asked to stop."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    async def stop(self, deployment_id: str) -> None:
        self.stopped.append(deployment_id)


class NoEdge:
    async def publish(self) -> None:
        return


@dataclass
class Tide:
    """A project's money goes out: `await tide.days(3)` looks once an hour or so for three days."""

    database: Database
    settings: Settings
    purse: Purse
    now: datetime = START
    engine: StillEngine = field(default_factory=StillEngine)

    async def look(self) -> None:
        await running.run(self.settings, self.database, clock=lambda: self.now)

    async def look_at(self) -> None:
        await running.look_at(self.settings, self.database, self.purse.project_id, self.now)

    async def days(self, days: float) -> None:
        """Looks twice a day, and last at the end."""
        until = self.now + days * DAY
        while self.now < until:
            self.now = min(self.now + DAY / 2, until)
            await self.look()

    async def owe(self, amount: int) -> None:
        """Nothing is left, and that much is due."""
        present = await self.purse.standing()
        await self.purse.charge(max(present.balance, 0) + present.held + amount, from_held=present.held)

    async def pay(self, amount: int, *, lost: bool = False, **more: Any) -> None:
        """As a gateway's payment does; a `lost` one is rolled back at its end."""
        async with self.database.transaction() as session:
            project_id, currency = self.purse.project_id, self.purse.currency
            await resume.before_payment(session, project_id)
            key = f"payment:{more.get('key', self.now)}:{amount}"
            await moves.top_up(session, project_id, currency, amount, key=key, gateway="manual", about=ABOUT)
            await resume.after_payment(session, project_id)
            if lost:
                raise Lost

    async def state(self) -> DunningState | None:
        async with self.database.transaction() as session:
            return await session.get(DunningState, self.purse.project_id)

    async def stage(self) -> str:
        row = await self.state()
        return row.stage if row else "ok"

    async def letters(self) -> list[str]:
        async with self.database.transaction() as session:
            return list(await session.scalars(select(Letter.template).order_by(Letter.id)))

    async def service(self, ship: Ship) -> Service:
        async with self.database.transaction() as session:
            service = await session.get(Service, ship.id)
            assert service is not None
            return service

    async def jobs(self, ship: Ship | None = None) -> list[tuple[str, str]]:
        async with self.database.transaction() as session:
            statement = select(Job).order_by(Job.id)
            if ship is not None:
                statement = statement.where(Job.service_id == ship.id)
            return [(job.kind, job.state) for job in await session.scalars(statement)]

    async def open_job(self, ship: Ship) -> UUID:
        async with self.database.transaction() as session:
            statement = select(Job.id).where(Job.service_id == ship.id, Job.state == JobState.QUEUED)
            return (await session.scalars(statement.order_by(Job.id).limit(1))).one()

    async def work(self, ship: Ship) -> None:
        """Runs the suspension that waits, as a worker does."""
        operations = Operations(self.settings, self.database, self.engine, NoEdge())  # type: ignore[arg-type]
        kinds = {"service.suspend": Kind(operations.suspend, operations.stop_failed)}
        await runner.run(await self.open_job(ship), self.database, kinds, LEASE)

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.database.transaction() as session:
            await session.execute(text(statement), values)
