"""Money of a whole installation's customers, moved as its API and billing tasks do, beside its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from backend import config
from backend.billing.dunning import resume, running
from backend.billing.ledger import moves, standing
from backend.billing.ledger.about import About
from backend.config import Settings
from backend.database import Database, now
from tests.support.stack import Stack

ABOUT = About("test", "test")


@dataclass
class Coffer:
    stack: Stack
    settings: Settings
    database: Database

    async def drain(self, project_id: UUID) -> None:
        """Nothing is left, something is due, and the grace is over."""
        await self.stack.rows(
            "INSERT INTO billing_profiles (project_id, currency, credit_limit_minor) VALUES ($1, 'EUR', 0)"
            " ON CONFLICT (project_id) DO UPDATE SET credit_limit_minor = 0",
            project_id,
        )
        async with self.database.transaction() as session:
            present = (await standing.of(session, project_id, "EUR"))[0]
            amount = max(present.balance, 0) + 50
            await moves.charge(session, project_id, "EUR", amount, 0, key=f"test:{uuid4()}", about=ABOUT)
        await self.stack.rows(
            "INSERT INTO dunning_states (project_id, stage, since)"
            " VALUES ($1, 'grace', now() - interval '4 days')"
            " ON CONFLICT (project_id) DO UPDATE SET stage = 'grace', since = excluded.since",
            project_id,
        )
        await running.look_at(self.settings, self.database, project_id, now())

    async def pay(self, project_id: UUID, amount: int) -> None:
        async with self.database.transaction() as session:
            await resume.before_payment(session, project_id)
            key = f"test:{uuid4()}"
            await moves.top_up(session, project_id, "EUR", amount, key=key, gateway="manual", about=ABOUT)
            await resume.after_payment(session, project_id)


@pytest.fixture
async def coffer(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Coffer]:
    values = {name.lower(): value for name, value in stack.env.items()}
    settings = Settings(_env_file=None, **values)  # type: ignore[call-arg, arg-type]
    monkeypatch.setattr(config, "_present", settings)
    database = Database(settings)
    yield Coffer(stack, settings, database)
    await database.close()
