"""A project's currency changes only while nothing is under way in the present one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from backend.config import Settings
from tests.billing.meters import Fleet
from tests.billing.paying import Till
from tests.billing.stripelike import KEY, WEBHOOK_SECRET, Stripelike
from tests.billing.test_payments_automatic import wish


@pytest.fixture
def settings(settings_of: Callable[..., Settings], stripelike: Stripelike) -> Settings:
    return settings_of(
        credit_limit_minor=0,
        stripe_secret_key=KEY,
        stripe_webhook_secret=WEBHOOK_SECRET,
        stripe_api_url=stripelike.url,
        bank_recipient="Harbour Ltd",
        bank_account="DE02120300000000202051",
    )


async def changed(till: Till, currency: str) -> str:
    """To the currency: `ok`, or why not."""
    answer = await till.ask("PUT", "/profile", {"currency": currency})
    return "ok" if answer.status_code == 200 else str(answer.json()["code"])


async def test_not_while_somebody_pays(till: Till, stripelike: Stripelike) -> None:
    payment = await till.begun(2000)
    assert await changed(till, "USD") == "currency_in_use"
    stripelike.pay(payment["action_url"])
    await till.poll()
    assert await till.balance() == 2000
    assert await changed(till, "USD") == "currency_fixed"


async def test_not_while_a_reference_is_out(till: Till) -> None:
    assert await changed(till, "USD") == "ok"
    assert await changed(till, "EUR") == "ok"
    await till.ask("GET", "/payment-options")
    assert await changed(till, "USD") == "currency_in_use"


async def test_not_while_it_tops_up_by_itself(till: Till, stripelike: Stripelike) -> None:
    await wish(till, stripelike)
    assert await changed(till, "USD") == "currency_in_use"
    assert (await till.ask("DELETE", "/auto-top-up")).status_code == 204
    assert await changed(till, "USD") == "ok"


async def test_not_while_a_service_is_priced(till: Till, fleet: Fleet) -> None:
    await fleet.ship()
    assert await changed(till, "USD") == "currency_in_use"
    await till.execute("UPDATE services SET deleted_at = now()")
    assert await changed(till, "USD") == "ok"


async def test_what_was_stranded_is_reached_again(till: Till) -> None:
    """Money that came in after all, in the currency of before: back to it, and to no other."""
    assert await changed(till, "USD") == "ok"
    await till.purse.top_up(2000)
    assert (await till.ask("GET", "/profile")).json()["currency_fixed"] is False
    assert await changed(till, "JPY") == "currency_fixed"
    assert await changed(till, "EUR") == "ok"
    assert await changed(till, "USD") == "currency_fixed"
    assert (await till.ask("GET", "/profile")).json()["currency_fixed"] is True


async def test_a_payment_that_begins_meanwhile(till: Till) -> None:
    """Either the payment is there and the currency stays, or it is refused in what is none any more."""
    body = {"gateway": "stripe", "amount": 2000, "currency": "EUR"}
    for _ in range(4):
        paying, outcome = await asyncio.gather(till.ask("POST", "/payments", body), changed(till, "USD"))
        assert (paying.status_code, outcome) in ((202, "currency_in_use"), (422, "ok"))
        await till.execute("UPDATE payments SET state = 'cancelled'")
        assert await changed(till, "EUR") == "ok"
