"""Payments through Stripe, against a localstripe process: pages, saved cards, 3-D Secure, what gets lost."""

from __future__ import annotations

import pytest

from backend.config import Settings
from tests.billing.paying import Till
from tests.billing.stripelike import CHALLENGED, DECLINED, Stripelike


@pytest.fixture
def settings(stripe_settings: Settings) -> Settings:
    return stripe_settings


async def test_a_page_of_stripe_takes_the_money(till: Till, stripelike: Stripelike) -> None:
    payment = await till.begun(2000)
    assert payment["state"] == "requires_action"
    assert payment["action_url"].startswith("https://checkout.stripe.invalid/")
    assert await till.balance() == 0
    stripelike.pay(payment["action_url"])
    await till.poll()
    payment = await till.payment(payment["id"])
    assert (payment["state"], payment["method"]) == ("succeeded", "Visa •• 4242")
    assert payment["action_url"] is None
    assert await till.balance() == 2000
    assert await till.purse.operator("gateway", "stripe") == -2000
    await till.poll()
    assert await till.balance() == 2000


async def test_a_card_is_kept_with_a_payment_if_that_was_wished(till: Till, stripelike: Stripelike) -> None:
    for wish, kept in ((False, 0), (True, 1)):
        payment = await till.begun(1000, save_method=wish)
        stripelike.pay(payment["action_url"])
        await till.poll()
        methods = (await till.ask("GET", "/payment-methods")).json()["items"]
        assert len(methods) == kept
    assert methods[0] | {"id": 0, "created_at": 0} == {
        "id": 0,
        "gateway": "stripe",
        "kind": "card",
        "brand": "visa",
        "last4": "4242",
        "exp_month": 12,
        "exp_year": 2030,
        "preferred": True,
        "created_at": 0,
    }


async def test_a_saved_card_is_charged_at_once(till: Till, stripelike: Stripelike) -> None:
    method = await till.saved_card(stripelike)
    payment = await till.begun(1500, method_id=method)
    assert payment["state"] == "succeeded"
    assert await till.balance() == 1500


async def test_a_declined_card_moves_nothing_and_says_why(till: Till, stripelike: Stripelike) -> None:
    method = await till.saved_card(stripelike, DECLINED)
    accepted = await till.accepted(1500, method_id=method)
    job = await till.work(accepted["job_id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "card_declined")
    payment = await till.payment(accepted["payment_id"])
    assert (payment["state"], payment["failure_code"]) == ("failed", "card_declined")
    assert await till.balance() == 0


@pytest.mark.parametrize("passed", [True, False])
async def test_a_bank_that_asks_is_answered_on_its_page(
    till: Till, stripelike: Stripelike, passed: bool
) -> None:
    method = await till.saved_card(stripelike, CHALLENGED)
    payment = await till.begun(1500, method_id=method)
    assert payment["state"] == "requires_action"
    assert payment["action_url"].startswith("https://hooks.stripe.invalid/3d_secure/pi_")
    intent = payment["action_url"].partition("3d_secure/")[2].partition("?")[0]
    stripelike.challenge(intent, passed=passed)
    await till.poll()
    payment = await till.payment(payment["id"])
    assert payment["state"] == ("succeeded" if passed else "failed")
    assert await till.balance() == (1500 if passed else 0)


async def test_answers_that_get_lost_charge_once(till: Till, stripelike: Stripelike) -> None:
    """localstripe takes no notice of idempotency keys, as Stripe itself after a day."""
    method = await till.saved_card(stripelike)
    stripelike.calls(forget=True)
    accepted = await till.accepted(1500, method_id=method)
    stripelike.lose("/payment_intents", "/confirm")
    for expected in ("queued", "queued", "succeeded"):
        await till.execute("UPDATE jobs SET run_at = now() WHERE state = 'queued'")
        assert (await till.work(accepted["job_id"]))["state"] == expected
    assert (await till.payment(accepted["payment_id"]))["state"] == "succeeded"
    assert await till.balance() == 1500
    confirmed = [call for call in stripelike.calls() if call["path"].endswith("/confirm")]
    assert len(confirmed) == 1
    assert confirmed[0]["key"] == f"{accepted['payment_id']}:confirm"


async def test_a_gateway_that_is_away_is_asked_until_it_is_known(till: Till, stripelike: Stripelike) -> None:
    method = await till.saved_card(stripelike)
    accepted = await till.accepted(1500, method_id=method)
    stripelike.lose("/confirm")
    # Confirmed, and then nobody hears anything for as long as the job tries.
    await till.work(accepted["job_id"])
    await till.execute("UPDATE jobs SET attempts = 20, run_at = now() WHERE state = 'queued'")
    await till.execute("UPDATE jobs SET state = 'failed', finished_at = now() WHERE state = 'queued'")
    assert (await till.payment(accepted["payment_id"]))["state"] == "pending"
    await till.poll()
    assert (await till.payment(accepted["payment_id"]))["state"] == "succeeded"
    assert await till.balance() == 1500


async def test_a_page_that_nobody_pays_on_is_closed(till: Till, stripelike: Stripelike) -> None:
    payment = await till.begun(2000)
    await till.execute("UPDATE payments SET pay_until = now() - interval '1 minute'")
    await till.poll()
    payment = await till.payment(payment["id"])
    assert (payment["state"], payment["action_url"]) == ("cancelled", None)


async def test_money_that_comes_after_all_is_believed(till: Till, stripelike: Stripelike) -> None:
    payment = await till.begun(2000)
    stripelike.pay(payment["action_url"])
    await till.execute("UPDATE payments SET state = 'cancelled', next_check_at = NULL")
    event = stripelike.event_about("checkout.session.completed", payment["id"])
    assert await till.stripe_says(event) == 200
    assert (await till.payment(payment["id"]))["state"] == "succeeded"
    assert await till.balance() == 2000


async def test_another_amount_than_was_asked_for_waits_for_a_person(
    till: Till, stripelike: Stripelike
) -> None:
    payment = await till.begun(2000)
    stripelike.pay(payment["action_url"])
    await till.execute("UPDATE payments SET amount = 900000")
    await till.poll()
    payment = await till.payment(payment["id"])
    assert (payment["state"], payment["failure_code"]) == ("review", "amount_differs")
    assert await till.balance() == 0


async def test_a_removed_card_is_forgotten_by_stripe_too(till: Till, stripelike: Stripelike) -> None:
    method = await till.saved_card(stripelike)
    stripelike.calls(forget=True)
    assert (await till.ask("DELETE", f"/payment-methods/{method}")).status_code == 204
    assert (await till.ask("GET", "/payment-methods")).json()["items"] == []
    assert (await till.poll())["methods"] == 1
    assert any(call["path"].endswith("/detach") for call in stripelike.calls())
    assert (await till.poll())["methods"] == 0
