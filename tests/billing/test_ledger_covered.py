"""What a project's money covers is locked, checked and posted by one statement, to the same limits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from asyncpg.prepared_stmt import PreparedStatement

from backend.billing.ledger.models import BillingProfile
from backend.config import Settings, use
from backend.database import Database
from tests.billing.purse import Purse


async def test_one_statement_if_there_is_the_money_for_it(
    purse: Purse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await purse.top_up(100)
    # The operator's accounts are made by the first charge.
    await purse.charge(1, 1)
    sent: list[str] = []
    fetch = PreparedStatement.fetch

    async def counted(statement: PreparedStatement, *given: Any, **more: Any) -> Any:
        # The driver's own: a posting goes around what SQLAlchemy tells of.
        sent.append(statement.get_query())
        return await fetch(statement, *given, **more)

    monkeypatch.setattr(PreparedStatement, "fetch", counted)
    await purse.hold(40)
    assert len(sent) == 1
    await purse.charge(50, 8, from_held=30)
    assert len(sent) == 2
    assert await purse.three() == (30, 10, 0)


@pytest.mark.parametrize("usual", [0, 30])
@pytest.mark.parametrize(
    "profile", [None, ("EUR", None), ("EUR", 0), ("EUR", 50), ("USD", None), ("USD", 50)], ids=str
)
@pytest.mark.parametrize("currency", ["EUR", "USD"])
async def test_it_goes_to_the_limit_and_not_beyond(
    purse: Purse,
    database: Database,
    settings_of: Callable[..., Settings],
    usual: int,
    profile: tuple[str, int | None] | None,
    currency: str,
) -> None:
    use(settings_of(credit_limit_minor=usual))
    if profile is not None:
        own, limit = profile
        async with database.transaction() as session:
            session.add(BillingProfile(project_id=purse.project_id, currency=own, credit_limit_minor=limit))
    money = Purse(database, purse.project_id, currency)
    await money.top_up(7)
    available = (await money.standing()).available
    await money.charge(available)
    assert await money.three() == (7 - available, 0, 0)
    await money.charge(1)
    assert await money.three() == (7 - available, 0, -1)


async def test_charges_at_once_take_what_there_is_and_owe_the_rest(purse: Purse) -> None:
    """Whoever waits for the lock counts with what the one before left."""
    await purse.top_up(100)
    await purse.hold(30)
    held = [purse.charge(3, from_held=3) for _ in range(10)]
    posted = Counter(
        one.repeated for one in await asyncio.gather(*held, *(purse.charge(7) for _ in range(20)))
    )
    assert posted == {False: 30}
    assert await purse.three() == (0, 0, -70)
