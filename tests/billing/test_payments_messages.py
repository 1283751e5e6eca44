"""Messages of gateways: tampered, replayed, in any order, in parallel, unknown, about somebody else."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import httpx
import orjson
import pytest
import stripe

from backend.billing.payments.gateways.base import Tampered
from backend.billing.payments.gateways.stripe_inbox import TOLERANCE, StripeInbox
from backend.config import Settings
from tests.billing.paying import Json, Till
from tests.billing.stripelike import WEBHOOK_SECRET, Stripelike, signed
from tests.support.people import Person

COMPLETED = "checkout.session.completed"


@pytest.fixture
def settings(stripe_settings: Settings) -> Settings:
    return stripe_settings


async def paid_there(till: Till, stripelike: Stripelike) -> tuple[Json, Json]:
    """A payment whose customer has paid, and of which nobody here has heard; and the message that says so."""
    payment = await till.begun(2000)
    stripelike.pay(payment["action_url"])
    return payment, stripelike.event_about(COMPLETED, payment["id"])


async def test_a_message_brings_the_money_once(till: Till, stripelike: Stripelike) -> None:
    payment, event = await paid_there(till, stripelike)
    for _ in range(3):
        assert await till.stripe_says(event) == 200
    assert (await till.payment(payment["id"]))["state"] == "succeeded"
    assert await till.balance() == 2000
    rows = await till.rows("SELECT state, copies FROM gateway_messages")
    assert [tuple(row) for row in rows] == [("applied", 3)]


async def test_copies_in_parallel_bring_it_once(till: Till, stripelike: Stripelike) -> None:
    _, event = await paid_there(till, stripelike)
    assert set(await asyncio.gather(*(till.stripe_says(event) for _ in range(8)))) == {200}
    assert await till.balance() == 2000
    assert (await till.rows("SELECT sum(copies) FROM gateway_messages"))[0][0] == 8


async def test_the_order_does_not_matter(till: Till, stripelike: Stripelike) -> None:
    """What was true earlier arrives last."""
    payment, event = await paid_there(till, stripelike)
    stale = {**event, "id": "evt_earlier", "type": "checkout.session.async_payment_failed"}
    assert await till.stripe_says(stale) == 200
    assert await till.stripe_says(event) == 200
    again = {**event, "id": "evt_still_earlier", "type": "checkout.session.expired"}
    assert await till.stripe_says(again) == 200
    assert (await till.payment(payment["id"]))["state"] == "succeeded"
    assert await till.balance() == 2000


@pytest.mark.parametrize("how", ["body", "secret", "time", "future", "nothing", "no_time"])
async def test_what_was_tampered_with_is_refused(till: Till, stripelike: Stripelike, how: str) -> None:
    _, event = await paid_there(till, stripelike)
    sent = signed(event)
    if how == "body":
        sent["content"] = sent["content"].replace(b"2000", b"9000")
    elif how == "secret":
        sent = signed(event, secret="whsec_another")
    elif how in ("time", "future"):
        sent = signed(event, at=time.time() + (TOLERANCE + 60) * (1 if how == "future" else -1))
    elif how == "nothing":
        sent["headers"] = {}
    else:
        sent["headers"] = {"Stripe-Signature": sent["headers"]["Stripe-Signature"].partition(",")[2]}
    assert await till.told(**sent) == 400
    assert await till.balance() == 0
    assert await till.rows("SELECT id FROM gateway_messages") == []


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"id": "evt_1"}', b'{"data": null}', b"\xff"])
async def test_what_is_no_event_is_refused_though_it_is_signed(till: Till, body: bytes) -> None:
    assert await till.stripe_says(body) == 400


async def test_what_nobody_knows_is_kept_and_answered(till: Till, stripelike: Stripelike) -> None:
    _, event = await paid_there(till, stripelike)
    about = {**event["data"]["object"], "id": "cs_test_of_nobody", "metadata": {}}
    unknown = {**event, "id": "evt_unknown", "data": {"object": about}}
    other = {"id": "evt_other", "type": "payout.paid", "data": {"object": {"object": "payout", "id": "po_1"}}}
    assert await till.stripe_says(unknown) == 200
    assert await till.stripe_says(other) == 200
    rows = await till.rows("SELECT event_id, state FROM gateway_messages ORDER BY event_id")
    assert [tuple(row) for row in rows] == [("evt_other", "ignored"), ("evt_unknown", "unknown")]
    assert await till.balance() == 0


async def test_nobody_is_paid_by_somebody_elses_payment(
    till: Till, other_till: Till, stripelike: Stripelike
) -> None:
    """A message that names another payment than the gateway keeps with it."""
    mine = await till.begun(2000)
    _, event = await paid_there(other_till, stripelike)
    about = {**event["data"]["object"], "metadata": {"payment_id": mine["id"]}}
    assert await till.stripe_says({**event, "id": "evt_crossed", "data": {"object": about}}) == 200
    assert await till.balance() == 0
    assert (await till.payment(mine["id"]))["state"] == "requires_action"
    unheard = {**about, "id": "cs_test_of_nobody"}
    assert await till.stripe_says({**event, "id": "evt_made_up", "data": {"object": unheard}}) == 200
    assert await till.balance() == 0


async def test_a_message_comes_before_we_know_the_payments_name(till: Till, stripelike: Stripelike) -> None:
    payment, event = await paid_there(till, stripelike)
    await till.execute("UPDATE payments SET gateway_ref = NULL, charge_ref = NULL, state = 'accepted'")
    assert await till.stripe_says(event) == 200
    assert (await till.payment(payment["id"]))["state"] == "succeeded"
    assert await till.balance() == 2000


async def test_the_scheme_is_the_librarys() -> None:
    inbox = StripeInbox(WEBHOOK_SECRET)
    body = orjson.dumps({"id": "evt_1", "type": "x.y", "data": {"object": {"object": "x", "id": "x_1"}}})
    for at, secret in (
        (time.time(), WEBHOOK_SECRET),
        (time.time() - 301, WEBHOOK_SECRET),
        (time.time(), "x"),
    ):
        header = signed(body, at=at, secret=secret)["headers"]["Stripe-Signature"]
        try:
            stripe.WebhookSignature.verify_header(body, header, WEBHOOK_SECRET, TOLERANCE)
            genuine = True
        except stripe.SignatureVerificationError:
            genuine = False
        if genuine:
            assert inbox.read({"stripe-signature": header}, body, "").event_id == "evt_1"
        else:
            with pytest.raises(Tampered):
                inbox.read({"stripe-signature": header}, body, "")
    assert not genuine


async def test_administrators_see_them_masked(
    till: Till, stripelike: Stripelike, admin: Person, client: httpx.AsyncClient
) -> None:
    payment, event = await paid_there(till, stripelike)
    event["data"]["object"]["customer_details"] = {"email": "ada@example.com", "address": {"line1": "Quay 1"}}
    event["data"]["object"]["client_secret"] = "cs_secret_value"
    await till.stripe_says(event)
    listed = await client.get("/api/v1/admin/billing/gateway-messages", headers=admin.headers)
    message = listed.json()["items"][0]
    assert (message["state"], message["payment_id"]) == ("applied", payment["id"])
    path = f"/api/v1/admin/billing/gateway-messages/{message['id']}"
    whole = (await client.get(path, headers=admin.headers)).text
    assert payment["id"] in whole
    for secret in ("ada@example.com", "Quay 1", "cs_secret_value", "checkout.stripe.invalid"):
        assert secret not in whole
    stored = (await till.rows("SELECT body FROM gateway_messages"))[0][0]
    assert "ada@example.com" not in stored


async def test_gateways_that_are_not_configured_are_not_there(client: httpx.AsyncClient) -> None:
    for name in ("manual", "paypal"):
        answer = await client.post(f"/api/v1/payment-webhooks/{name}", json={"event": "x"})
        assert answer.status_code == 404
    large = await client.post("/api/v1/payment-webhooks/stripe", content=b"x" * (2**20 + 1))
    assert large.status_code == 413


async def test_what_was_not_applied_is_applied_by_the_poll(till: Till, stripelike: Stripelike) -> None:
    _, event = await paid_there(till, stripelike)
    answer = await till.client.post(
        "/api/v1/payment-webhooks/stripe", **signed({**event, "id": str(uuid4())})
    )
    assert answer.status_code == 200
    assert await till.balance() == 0
    assert (await till.poll())["messages"] == 1
    assert await till.balance() == 2000
