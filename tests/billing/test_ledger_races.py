"""Many at once on the same money: no limit is broken, and each key is posted once."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from backend.billing.ledger import moves
from backend.billing.ledger.funds import InsufficientFunds
from backend.billing.ledger.models import BillingProfile
from backend.database import Database
from tests.billing.purse import ABOUT, Purse
from tests.support.people import Person, UserFactory


async def outcome(purse: Purse, how: str, amount: int, key: str | None = None) -> str:
    try:
        posted = await getattr(purse, how)(amount, key=key)
    except InsufficientFunds:
        return "refused"
    return "repeated" if posted.repeated else "posted"


async def test_a_balance_for_a_hundred_buys_a_hundred(purse: Purse) -> None:
    await purse.top_up(100 * 7)
    outcomes = Counter(await asyncio.gather(*(outcome(purse, "hold", 7) for _ in range(200))))
    assert outcomes == {"posted": 100, "refused": 100}
    assert await purse.three() == (0, 700, 0)


async def test_one_unit_too_few(purse: Purse) -> None:
    await purse.top_up(100 * 7 - 1)
    outcomes = Counter(await asyncio.gather(*(outcome(purse, "hold", 7) for _ in range(200))))
    assert outcomes == {"posted": 99, "refused": 101}
    assert await purse.three() == (6, 693, 0)


@pytest.mark.parametrize("amount", [10, 70])
async def test_one_key_at_once_is_posted_once(purse: Purse, amount: int) -> None:
    """Also when the one who comes second finds nothing left."""
    await purse.top_up(70)
    outcomes = Counter(await asyncio.gather(*(outcome(purse, "hold", amount, "same") for _ in range(20))))
    assert outcomes == {"posted": 1, "repeated": 19}
    assert await purse.three() == (70 - amount, amount, 0)


async def test_a_first_posting_at_once(purse: Purse) -> None:
    """Accounts are made by the first, whoever that is."""
    assert set(await asyncio.gather(*(outcome(purse, "top_up", 1) for _ in range(20)))) == {"posted"}
    assert await purse.three() == (20, 0, 0)
    assert await purse.operator("gateway", "manual") == -20


async def test_refunds_and_purchases_do_not_share_money(purse: Purse) -> None:
    await purse.top_up(100)
    both = [outcome(purse, "pay_back", 60), outcome(purse, "hold", 60)]
    assert sorted(await asyncio.gather(*both)) == ["posted", "refused"]
    assert (await purse.standing()).balance == 40


async def test_a_limit_of_one_s_own(purse: Purse, database: Database) -> None:
    async with database.transaction() as session:
        session.add(BillingProfile(project_id=purse.project_id, currency="EUR", credit_limit_minor=50))
    outcomes = Counter(await asyncio.gather(*(outcome(purse, "hold", 9) for _ in range(30))))
    assert outcomes == {"posted": 5, "refused": 25}
    assert await purse.three() == (-45, 45, 0)
    await purse.charge(20)
    assert await purse.three() == (-50, 45, -15)
    # Money that was lent is not paid out.
    assert await outcome(purse, "pay_back", 1) == "refused"
    # It is lent in the currency that they pay in.
    assert (await Purse(database, purse.project_id, "USD").standing()).available == 0


async def test_customers_do_not_wait_for_each_other(
    purse: Purse, database: Database, user_factory: UserFactory
) -> None:
    """Whoever posts holds nothing that others need, though both enter what the operator earns."""
    bob: Person = await user_factory()
    others = Purse(database, bob.project_id)
    for one in (purse, others):
        await one.top_up(100)
        await one.charge(1, 1)
    async with database.transaction() as session:
        await moves.charge(session, purse.project_id, "EUR", 10, 2, key="open", about=ABOUT)
        async with asyncio.timeout(5):
            await others.charge(10, 2)
    assert (await purse.standing()).balance == (await others.standing()).balance == 86
