"""What may be asked for: amounts, currencies, gateways, other people's ids; and how gateways write it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from backend.billing.payments.gateways import amounts
from backend.config import Settings, get_settings, use
from tests.billing.paying import Till
from tests.billing.stripelike import Stripelike


@pytest.fixture
def settings(stripe_settings: Settings) -> Settings:
    return stripe_settings


async def asked(till: Till, **changes: Any) -> tuple[int, str]:
    body = {"gateway": "stripe", "amount": 2000, "currency": "EUR"} | changes
    answer = await till.ask("POST", "/payments", body)
    found = answer.json()
    return answer.status_code, (found.get("errors") or [found])[0].get("code", "")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 0}, "greater_than_equal"),
        ({"amount": -2000}, "greater_than_equal"),
        ({"amount": 10**30}, "less_than_equal"),
        ({"amount": 20.5}, "int_type"),
        ({"amount": "2000"}, "int_type"),
        ({"amount": True}, "int_type"),
        ({"amount": 499}, "amount_out_of_bounds"),
        ({"amount": 1_000_001}, "amount_out_of_bounds"),
        ({"currency": "USD"}, "wrong_currency"),
        ({"currency": "eur"}, "string_pattern_mismatch"),
        ({"gateway": "yookassa"}, "gateway_not_offered"),
        ({"gateway": "manual"}, "literal_error"),
    ],
)
async def test_what_is_not_offered_is_refused(till: Till, changes: dict[str, Any], code: str) -> None:
    assert await asked(till, **changes) == (422, code)
    assert await till.rows("SELECT id FROM payments") == []


async def test_bounds_are_the_operators(till: Till) -> None:
    options = (await till.ask("GET", "/payment-options")).json()
    assert (options["minimum"], options["maximum"]) == (500, 1_000_000)
    assert options["suggestions"] == [1000, 2000, 5000, 10_000]
    assert [one["name"] for one in options["gateways"]] == ["stripe"]
    assert (await asked(till, amount=500))[0] == 202


async def test_the_same_key_is_one_payment(till: Till) -> None:
    body = {"gateway": "stripe", "amount": 2000, "currency": "EUR"}
    ask = {"method": "POST", "path": "/payments", "headers": {"Idempotency-Key": "k1"}}
    answers = await asyncio.gather(*(till.ask(body=body, **ask) for _ in range(4)))  # type: ignore[arg-type]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["payment_id"] for answer in answers}) == 1
    other = await till.ask("POST", "/payments", body | {"amount": 3000}, headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


async def test_the_answer_names_the_job(till: Till) -> None:
    answer = await till.ask("POST", "/payments", {"gateway": "stripe", "amount": 2000, "currency": "EUR"})
    found = answer.json()
    assert answer.headers["Location"] == f"/api/v1/jobs/{found['job_id']}"
    assert found["payment"]["state"] == "accepted"
    job = (await till.client.get(answer.headers["Location"], headers=till.person.headers)).json()
    assert (job["kind"], job["state"], job["cancellable"]) == ("payment.collect", "queued", False)


async def test_few_may_be_open_at_once(till: Till) -> None:
    results = await asyncio.gather(*(asked(till) for _ in range(14)))
    assert sorted(status for status, _ in results) == [202] * 10 + [409] * 4


async def test_other_peoples_payments_are_not_there(till: Till, other_till: Till) -> None:
    theirs = (await other_till.accepted())["payment_id"]
    assert (await till.ask("GET", f"/payments/{theirs}")).status_code == 404
    path = f"/api/v1/projects/{other_till.person.project_id}/billing/payments"
    for method, body in (("GET", None), ("POST", {"gateway": "stripe", "amount": 2000, "currency": "EUR"})):
        answer = await till.client.request(method, path, json=body, headers=till.person.headers)
        assert answer.status_code == 404


@pytest.mark.parametrize(("currency", "amount"), [("JPY", 2000), ("KWD", 20_000)])
async def test_currencies_without_and_with_three_decimals(
    settings_of: Callable[..., Settings], stripelike: Stripelike, till: Till, currency: str, amount: int
) -> None:
    """Stripe writes both as they are, and takes no thousandths."""
    await till.execute(
        "INSERT INTO billing_profiles (project_id, currency) VALUES (:id, :currency)",
        id=till.person.project_id,
        currency=currency,
    )
    accepted = await till.ask(
        "POST", "/payments", {"gateway": "stripe", "amount": amount, "currency": currency}
    )
    assert accepted.status_code == 202, accepted.text
    await till.work(accepted.json()["job_id"])
    payment = await till.payment(accepted.json()["payment_id"])
    stripelike.pay(payment["action_url"])
    await till.poll()
    till.purse.currency = currency
    assert await till.balance() == amount
    if currency == "KWD":
        assert await asked(till, amount=20_001, currency="KWD") == (422, "amount_too_fine")


@pytest.mark.parametrize(
    ("amount", "currency", "written"), [(500, "ISK", 50_000), (500, "JPY", 500), (12_340, "KWD", 12_340)]
)
def test_as_stripe_writes_it(amount: int, currency: str, written: int) -> None:
    assert amounts.to_stripe(amount, currency) == written
    assert amounts.from_stripe(written, currency) == amount


def test_as_yookassa_writes_it() -> None:
    assert amounts.to_yookassa(5, "RUB") == {"value": "0.05", "currency": "RUB"}
    assert amounts.from_yookassa({"value": "1234.50", "currency": "RUB"}) == (123_450, "RUB")
    for wrong in ("1.005", "NaN", "Infinity", "", "1,5"):
        with pytest.raises(ValueError, match="amount"):
            amounts.from_yookassa({"value": wrong, "currency": "RUB"})
    with pytest.raises(ValueError, match="ISK"):
        amounts.from_stripe(50, "ISK")


async def test_nothing_is_paid_where_nothing_is_charged(till: Till, settings: Settings) -> None:
    use(settings.model_copy(update={"billing_enabled": False}))
    till.client._transport.app.state.parts.settings = get_settings()  # type: ignore[attr-defined]
    assert (await till.ask("GET", "/payment-options")).json()["gateways"] == []
    assert await asked(till) == (422, "gateway_not_offered")


@pytest.mark.parametrize(
    "changes",
    [
        {"stripe_webhook_secret": None},
        {"yookassa_secret_key": ""},
        {"bank_account": "DE00120300000000202051", "bank_recipient": "X"},
        {"bank_account": "4070281"},
        {"payment_limits": "EUR:100-5"},
        {"payment_limits": "XXQ:1-5"},
        {"yookassa_networks": "anywhere"},
        {"stripe_api_url": "ftp://x"},
    ],
)
def test_settings_that_are_half_made(settings_of: Callable[..., Settings], changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings_of(**changes)


def test_limits_of_several_currencies(settings_of: Callable[..., Settings]) -> None:
    settings = settings_of(payment_limits="EUR:10-200, JPY:100-9000")
    assert settings.payment_bounds("EUR") == (1000, 20_000)
    assert settings.payment_bounds("JPY") == (100, 9000)
    assert settings.payment_bounds("KWD") == (5000, 10_000_000)
