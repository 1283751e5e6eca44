"""Random moves: entries sum to zero, no limit is broken, and what stands there is what a model of it says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from backend.billing.ledger.funds import InsufficientFunds
from backend.billing.ledger.models import BillingProfile
from backend.billing.ledger.verification import verify
from backend.config import Settings, use
from backend.database import Database
from backend.projects.models import Project
from tests.billing.purse import Purse

AMOUNT = st.integers(1, 60)
MOVES = st.one_of(
    st.tuples(st.sampled_from(["top_up", "bonus", "hold", "pay_back", "credit"]), AMOUNT),
    st.tuples(st.just("adjust"), st.integers(-60, 60).filter(bool)),
    st.tuples(st.just("charge"), AMOUNT, st.integers(0, 10), st.integers(0, 60)),
    st.tuples(st.just("release"), AMOUNT),
)


@dataclass
class Model:
    limit: int
    balance: int = 0
    held: int = 0
    due: int = 0

    @property
    def available(self) -> int:
        return max(0, self.balance + self.limit + self.due)

    def settle(self) -> None:
        paid = min(-self.due, max(0, self.balance + self.limit))
        self.balance, self.due = self.balance - paid, self.due + paid

    def take(self, amount: int) -> None:
        taken = min(amount, max(0, self.balance + self.limit))
        self.balance, self.due = self.balance - taken, self.due - (amount - taken)

    def move(self, how: str, amount: int, *rest: int) -> bool:
        """Whether it is possible."""
        if how == "charge":
            tax, from_held = rest
            drawn = min(from_held, self.held, amount + tax)
            self.held -= drawn
            self.take(amount + tax - drawn)
            return True
        if how in ("hold", "pay_back") or (how == "adjust" and amount < 0):
            if abs(amount) > (self.balance if how == "pay_back" else self.available):
                return False
            self.balance -= abs(amount)
            self.held += amount if how == "hold" else 0
            return True
        if how == "release":
            if amount > self.held:
                return False
            self.held -= amount
        self.balance += amount
        self.settle()
        return True


@pytest.mark.timeout(120)
def test_moves_in_any_order(settings: Settings) -> None:
    use(settings)
    with asyncio.Runner() as runner:
        database = Database(settings)

        @limits(
            max_examples=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(st.integers(0, 50), st.lists(MOVES, max_size=25))
        def run(limit: int, moves: list[tuple[str, int]]) -> None:
            runner.run(_run(database, limit, moves))

        try:
            run()
        finally:
            runner.run(database.close())


async def _run(database: Database, limit: int, moves: list[tuple[str, int]]) -> None:
    project_id = uuid4()
    async with database.transaction() as session:
        session.add(Project(id=project_id, name="any"))
        await session.flush()
        session.add(BillingProfile(project_id=project_id, currency="EUR", credit_limit_minor=limit))
    purse, model = Purse(database, project_id), Model(limit)
    for number, (how, *amounts) in enumerate(moves):
        more = {}
        if how == "charge":
            more["from_held"] = min(amounts.pop(), model.held)
        possible = model.move(how, *amounts, *more.values())
        # Twice with one key: the second changes nothing.
        for _ in range(2):
            try:
                await getattr(purse, how)(*amounts, key=f"{project_id}:{number}", **more)
            except (InsufficientFunds, ValueError):
                assert not possible, (how, amounts)
            else:
                assert possible, (how, amounts)
        assert await purse.three() == (model.balance, model.held, model.due), (how, amounts)
        assert model.balance >= -limit
    found = await verify(database, whole=True)
    assert found is not None
    assert found.wrong == []
