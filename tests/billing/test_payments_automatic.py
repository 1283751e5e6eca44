"""Automatic top-up: a threshold, a saved card, few tries, a ceiling."""

from __future__ import annotations

from typing import Any

import pytest

from backend.billing.payments import refunding
from backend.billing.payments.auto_results import TRIES
from backend.config import Settings
from tests.billing.paying import Till
from tests.billing.stripelike import CHALLENGED, DECLINED, GOOD, Stripelike
from tests.support.people import Person


@pytest.fixture
def settings(stripe_settings: Settings) -> Settings:
    return stripe_settings


async def wish(till: Till, stripelike: Stripelike, number: str = GOOD, **changes: Any) -> None:
    method = await till.saved_card(stripelike, number)
    body = {"method_id": method, "threshold": 1000, "amount": 2000, "monthly_limit": 5000, "currency": "EUR"}
    answer = await till.ask("PUT", "/auto-top-up", body | changes)
    assert answer.status_code == 200, answer.text


async def one_round(till: Till) -> int:
    """A poll and the jobs that it started; how many top-ups it began."""
    begun = (await till.poll())["automatic"]
    for (job_id,) in await till.rows("SELECT id FROM jobs WHERE state = 'queued'"):
        await till.work(job_id)
    return begun


async def letters(till: Till) -> list[str]:
    found = await till.rows("SELECT template FROM letters WHERE template LIKE 'auto%' ORDER BY id")
    return [row[0] for row in found]


async def state(till: Till) -> dict[str, Any]:
    found: dict[str, Any] = (await till.ask("GET", "/auto-top-up")).json()["auto_top_up"]
    return found


async def test_it_tops_up_below_the_threshold_only(till: Till, stripelike: Stripelike) -> None:
    await wish(till, stripelike)
    assert await one_round(till) == 1
    assert await till.balance() == 2000
    assert await one_round(till) == 0
    await till.purse.charge(1000)
    assert await one_round(till) == 0
    await till.purse.charge(1)
    assert await one_round(till) == 1
    assert await till.balance() == 2999
    payments = (await till.ask("GET", "/payments")).json()["items"]
    assert [one["automatic"] for one in payments] == [True, True]


async def test_one_at_a_time(till: Till, stripelike: Stripelike) -> None:
    await wish(till, stripelike)
    assert (await till.poll())["automatic"] == 1
    assert (await till.poll())["automatic"] == 0


async def test_a_month_has_a_ceiling_that_is_told_of_once(till: Till, stripelike: Stripelike) -> None:
    await wish(till, stripelike)
    for _ in range(2):
        assert await one_round(till) == 1
        await till.purse.charge(2000)
    for _ in range(3):
        assert await one_round(till) == 0
    assert await letters(till) == ["auto_top_up_ceiling"]
    assert (await state(till))["spent_this_month"] == 4000
    await till.execute("UPDATE payments SET created_at = created_at - interval '32 days'")
    assert await one_round(till) == 1


async def test_tries_are_few_and_end_with_a_letter(till: Till, stripelike: Stripelike) -> None:
    await wish(till, stripelike, DECLINED)
    for _ in range(TRIES):
        assert await one_round(till) == 1
    assert await one_round(till) == 0
    assert await letters(till) == ["auto_top_up_failed"]
    assert (await state(till))["paused_code"] == "card_declined"
    method = await till.saved_card(stripelike)
    body = {"method_id": method, "threshold": 1000, "amount": 2000, "monthly_limit": 5000, "currency": "EUR"}
    await till.ask("PUT", "/auto-top-up", body)
    assert await one_round(till) == 1
    assert await till.balance() == 2000


async def test_between_tries_it_waits(till: Till, stripelike: Stripelike) -> None:
    await wish(till, stripelike, DECLINED)
    await one_round(till)
    soon = await till.rows("SELECT next_check_at > now() + interval '50 minutes' FROM auto_top_ups")
    assert soon[0][0]


async def test_a_bank_that_asks_ends_it_at_once(till: Till, stripelike: Stripelike) -> None:
    await wish(till, stripelike, CHALLENGED)
    assert await one_round(till) == 1
    assert (await state(till))["paused_code"] == "authentication_required"
    assert await letters(till) == ["auto_top_up_failed"]
    assert await one_round(till) == 0
    assert await till.balance() == 0


async def test_off_is_off(till: Till, stripelike: Stripelike) -> None:
    await wish(till, stripelike)
    method = (await till.ask("GET", "/payment-methods")).json()["items"][0]["id"]
    answer = await till.ask("DELETE", f"/payment-methods/{method}")
    assert (answer.status_code, answer.json()["code"]) == (409, "method_in_use")
    assert (await till.ask("DELETE", "/auto-top-up")).status_code == 204
    assert await state(till) is None
    assert await one_round(till) == 0
    assert (await till.ask("DELETE", f"/payment-methods/{method}")).status_code == 204


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 1}, "amount_out_of_bounds"),
        ({"monthly_limit": 1999}, "limit_below_amount"),
        ({"currency": "USD"}, "wrong_currency"),
        ({"threshold": -1}, "greater_than_equal"),
    ],
)
async def test_wishes_that_make_no_sense(
    till: Till, stripelike: Stripelike, changes: dict[str, Any], code: str
) -> None:
    method = await till.saved_card(stripelike)
    body = {"method_id": method, "threshold": 1000, "amount": 2000, "monthly_limit": 5000, "currency": "EUR"}
    answer = await till.ask("PUT", "/auto-top-up", body | changes)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == code


async def test_nobody_charges_somebody_elses_card(
    till: Till, other_till: Till, stripelike: Stripelike
) -> None:
    theirs = await other_till.saved_card(stripelike)
    body = {"method_id": theirs, "threshold": 1000, "amount": 2000, "monthly_limit": 5000, "currency": "EUR"}
    assert (await till.ask("PUT", "/auto-top-up", body)).status_code == 404
    payment = {"gateway": "stripe", "amount": 2000, "currency": "EUR", "method_id": theirs}
    assert (await till.ask("POST", "/payments", payment)).status_code == 404
    for method, path in (("PATCH", {"preferred": True}), ("DELETE", None)):
        assert (await till.ask(method, f"/payment-methods/{theirs}", path)).status_code == 404


async def test_a_refund_ends_it(till: Till, admin: Person, stripelike: Stripelike) -> None:
    """Else the card would be charged at once for what went back to it."""
    await wish(till, stripelike)
    assert await one_round(till) == 1
    ((payment_id,),) = await till.rows("SELECT id FROM payments WHERE automatic")
    async with till.desk.transaction() as session:
        await refunding.ask(session, payment_id, admin.id, None, "they asked")
    assert (await state(till))["paused_code"] == "refunded"
    assert await one_round(till) == 0
