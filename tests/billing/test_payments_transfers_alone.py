"""What one administrator cannot do with transfers alone, nor twice, nor by one line that fails."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from backend.billing.ledger import limits
from backend.billing.payments import settling
from tests.billing.paying import Till
from tests.billing.test_payments_transfers import imported, reference, settings, unmatched
from tests.support.people import Person, UserFactory

__all__ = ["settings"]

LINES = "/api/v1/admin/billing/bank-lines"
LIMIT = 10_000


async def entered(till: Till, admin: Person, amount: int, purpose: str, **more: Any) -> tuple[int, ...]:
    body = {"booked_on": "2026-11-20", "amount": amount, "currency": "EUR", "purpose": purpose, **more}
    answer = await till.client.post(LINES, json=body, headers=admin.headers)
    assert answer.status_code == 201, answer.text
    return tuple(answer.json()[name] for name in ("matched", "unmatched", "known"))


async def matched(till: Till, by: Person, line: dict[str, Any], project: Any) -> httpx.Response:
    body = {"project_id": project}
    return await till.client.post(f"{LINES}/{line['id']}/match", json=body, headers=by.headers)


@pytest.mark.parametrize("way", ["by hand", "from a file"])
async def test_a_large_line_waits_for_another_administrator(
    till: Till, admin: Person, user_factory: UserFactory, way: str
) -> None:
    named = await reference(till)
    if way == "by hand":
        assert await entered(till, admin, LIMIT, named) == (1, 0, 0)
        assert await entered(till, admin, LIMIT + 1, named) == (0, 1, 0)
    else:
        rows = (f"2026-11-20;100,00;{named};Ada", f"2026-11-20;100,01;{named};Ada")
        assert await imported(till, admin, *rows) == (1, 1, 0)
    assert await till.balance() == LIMIT
    (line,) = await unmatched(till, admin)
    assert line["reason_code"] == "second_pair_of_eyes"
    for project in (str(till.person.project_id), None):
        refused = await matched(till, admin, line, project)
        assert (refused.status_code, refused.json()["code"]) == (409, "second_pair_of_eyes")
    second = await user_factory(roles=("user", "admin"))
    agreed = await matched(till, second, line, None)
    assert agreed.json()["project"]["id"] == str(till.person.project_id), agreed.text
    assert await till.balance() == 2 * LIMIT + 1


async def test_who_names_nobody_has_to_be_said(till: Till, admin: Person) -> None:
    await entered(till, admin, 700, "a gift")
    (line,) = await unmatched(till, admin)
    answer = await matched(till, admin, line, None)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "project_unknown")


async def test_one_transfer_counts_once_whichever_way_it_comes(till: Till, admin: Person) -> None:
    named = await reference(till)
    assert await entered(till, admin, 5000, named, payer="Ada") == (1, 0, 0)
    assert await imported(till, admin, f"2026-11-20;50,00;{named.replace(' ', '')};Ada L.") == (0, 0, 1)
    with_ids = "date;amount;purpose;payer;id"
    row = f"20.11.2026;50.00;{named};;77"
    assert await imported(till, admin, row, header=with_ids) == (0, 0, 1)
    # Two of the same are two.
    assert await imported(till, admin, row, row, header=with_ids) == (1, 0, 1)
    assert await till.balance() == 10_000


def test_the_limit_is_as_many_whole_units_of_any_currency(till: Till) -> None:
    found = {currency: limits.alone(till.settings, currency) for currency in ("EUR", "JPY", "KWD")}
    assert found == {"EUR": 10_000, "JPY": 100, "KWD": 100_000}


async def test_one_line_that_fails_keeps_none_of_the_others(
    till: Till, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = await reference(till)
    rows = [f"2026-11-2{at};{at + 1}0,00;{named};Ada" for at in range(4)]
    credit = settling.credit

    async def failing(session: Any, payment: Any) -> None:
        await credit(session, payment)
        if payment.amount == 2000:
            raise RuntimeError("the second one")

    monkeypatch.setattr(settling, "credit", failing)
    assert await imported(till, admin, *rows) == (3, 1, 0)
    assert await till.balance() == 8000
    (line,) = await unmatched(till, admin)
    assert (line["amount"], line["reason_code"]) == (2000, "not_given")
    monkeypatch.undo()
    assert await imported(till, admin, *rows) == (1, 0, 3)
    assert await till.balance() == 10_000


async def test_a_long_file_holds_nobodys_money_meanwhile(
    till: Till, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first line paid for can be spent while the second is being given."""
    named = await reference(till)
    credit, reached, go_on = settling.credit, asyncio.Event(), asyncio.Event()

    async def slow(session: Any, payment: Any) -> None:
        if payment.amount == 2000:
            reached.set()
            await go_on.wait()
        await credit(session, payment)

    monkeypatch.setattr(settling, "credit", slow)
    rows = (f"2026-11-20;10,00;{named};Ada", f"2026-11-20;20,00;{named};Ada")
    importing = asyncio.create_task(imported(till, admin, *rows))
    await asyncio.wait_for(reached.wait(), 10)
    async with asyncio.timeout(10):
        await till.purse.hold(1000)
    go_on.set()
    assert await importing == (2, 0, 0)
    assert await till.purse.three() == (2000, 1000, 0)
