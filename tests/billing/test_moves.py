"""Each way in which money moves, which accounts it touches, and that a key is posted once."""

from __future__ import annotations

import pytest

from backend.billing.ledger.funds import InsufficientFunds
from backend.billing.ledger.posting import KeyReused
from tests.billing.purse import Purse


async def test_a_project_begins_with_nothing(purse: Purse) -> None:
    assert await purse.three() == (0, 0, 0)
    present = await purse.standing()
    assert (present.currency, present.credit_limit, present.available) == ("EUR", 0, 0)


async def test_money_comes_is_held_used_and_goes(purse: Purse) -> None:
    await purse.top_up(1000)
    await purse.bonus(50)
    assert await purse.three() == (1050, 0, 0)
    await purse.hold(400)
    assert await purse.three() == (650, 400, 0)
    await purse.charge(100, 20, from_held=400)
    assert await purse.three() == (650, 280, 0)
    await purse.release(280)
    assert await purse.three() == (930, 0, 0)
    await purse.credit(10, 2)
    assert await purse.three() == (942, 0, 0)
    await purse.pay_back(42)
    await purse.adjust(-100)
    await purse.adjust(200)
    assert await purse.three() == (1000, 0, 0)
    assert await purse.operator("gateway", "manual") == -958
    assert await purse.operator("bonus") == -50
    assert await purse.operator("revenue") == 90
    assert await purse.operator("tax") == 18
    assert await purse.operator("adjustment") == -100


async def test_usage_is_charged_whatever_there_is(purse: Purse) -> None:
    """From what is held for it, then from the balance, and the rest is due; a top-up settles that."""
    await purse.top_up(100)
    await purse.hold(60)
    await purse.charge(200, from_held=60)
    assert await purse.three() == (0, 0, -100)
    await purse.charge(5, from_held=0)
    assert await purse.three() == (0, 0, -105)
    assert (await purse.standing()).available == 0
    await purse.top_up(100)
    assert await purse.three() == (0, 0, -5)
    await purse.bonus(8)
    assert await purse.three() == (3, 0, 0)


@pytest.mark.parametrize("move", ["hold", "pay_back"])
async def test_what_is_not_there_cannot_be_spent(purse: Purse, move: str) -> None:
    await purse.top_up(99)
    with pytest.raises(InsufficientFunds) as refused:
        await getattr(purse, move)(100)
    assert refused.value.parameters == {"currency": "EUR", "needed": 100, "available": 99}
    assert await purse.three() == (99, 0, 0)
    await getattr(purse, move)(99)
    assert (await purse.standing()).balance == 0


async def test_a_key_is_posted_once(purse: Purse) -> None:
    first = await purse.top_up(100, key="a")
    again = await purse.top_up(100, key="a")
    assert (first.repeated, again.repeated) == (False, True)
    assert again.transaction_id == first.transaction_id
    held = await purse.hold(100, key="b")
    # It succeeded then, and nothing is available now.
    assert await purse.hold(100, key="b") == type(held)(held.transaction_id, repeated=True)
    assert await purse.three() == (0, 100, 0)
    for move, amount in ((purse.top_up, 101), (purse.bonus, 100)):
        with pytest.raises(KeyReused):
            await move(amount, key="a")


async def test_amounts_are_positive(purse: Purse) -> None:
    for amount in (0, -1, 10**15 + 1):
        with pytest.raises(ValueError, match="not an amount"):
            await purse.top_up(amount)
    with pytest.raises(ValueError, match="a charge takes"):
        await purse.charge(-1, 2)
    with pytest.raises(ValueError, match="are held"):
        await purse.release(1)
