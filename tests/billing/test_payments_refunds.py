"""Refunds, whole and in part, by us and at the gateway; disputes, lost and won."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from backend.billing.payments import refund_job
from backend.billing.payments.gateways.base import GatewayRefused
from backend.config import Settings
from tests.billing.paying import Till
from tests.billing.stripelike import Stripelike
from tests.support.people import Person


@pytest.fixture
def settings(stripe_settings: Settings) -> Settings:
    return stripe_settings


async def refund(till: Till, admin: Person, payment_id: str, amount: int | None = None) -> httpx.Response:
    body: dict[str, Any] = {"reason": "Ordered by mistake"} | ({"amount": amount} if amount else {})
    path = f"/api/v1/admin/billing/payments/{payment_id}/refunds"
    return await till.client.post(path, json=body, headers=admin.headers)


async def done(till: Till, admin: Person, payment_id: str, amount: int | None = None) -> dict[str, Any]:
    """The payment after a refund that the gateway made."""
    answer = await refund(till, admin, payment_id, amount)
    assert answer.status_code == 202, answer.text
    assert (await till.work(answer.json()["job_id"]))["state"] == "succeeded"
    return await till.payment(payment_id)


async def test_in_parts_until_nothing_is_left(till: Till, admin: Person, stripelike: Stripelike) -> None:
    payment = await till.paid(stripelike)
    assert (await done(till, admin, payment["id"], 500))["refunded"] == 500
    assert await till.balance() == 1500
    assert (await done(till, admin, payment["id"]))["refunded"] == 2000
    assert await till.purse.three() == (0, 0, 0)
    assert await till.purse.operator("gateway", "stripe") == 0
    answer = await refund(till, admin, payment["id"], 1)
    assert (answer.status_code, answer.json()["code"]) == (409, "refund_too_large")


async def test_never_more_than_was_paid(till: Till, admin: Person, stripelike: Stripelike) -> None:
    payment = await till.paid(stripelike)
    await till.paid(stripelike)
    answer = await refund(till, admin, payment["id"], 2001)
    assert (answer.status_code, answer.json()["code"]) == (409, "refund_too_large")
    answers = await asyncio.gather(*(refund(till, admin, payment["id"], 1500) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409, 409]


async def test_never_more_than_the_balance(till: Till, admin: Person, stripelike: Stripelike) -> None:
    payment = await till.paid(stripelike)
    await till.purse.charge(1200)
    answer = await refund(till, admin, payment["id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_funds")
    assert answer.json()["parameters"]["available"] == 800
    assert (await done(till, admin, payment["id"], 800))["refunded"] == 800
    assert await till.purse.three() == (0, 0, 0)


async def test_what_goes_back_cannot_be_spent_meanwhile(
    till: Till, admin: Person, stripelike: Stripelike
) -> None:
    payment = await till.paid(stripelike)
    accepted = await refund(till, admin, payment["id"])
    assert await till.purse.three() == (0, 2000, 0)
    # A charge that comes now becomes due, and takes nothing of what is on its way.
    await till.purse.charge(300)
    await till.work(accepted.json()["job_id"])
    assert await till.purse.three() == (0, 0, -300)


async def test_a_lost_answer_refunds_once(till: Till, admin: Person, stripelike: Stripelike) -> None:
    payment = await till.paid(stripelike)
    accepted = (await refund(till, admin, payment["id"], 700)).json()
    stripelike.lose("/refunds")
    assert (await till.work(accepted["job_id"]))["state"] == "queued"
    assert await till.purse.three() == (1300, 700, 0)
    await till.execute("UPDATE jobs SET run_at = now() WHERE state = 'queued'")
    assert (await till.work(accepted["job_id"]))["state"] == "succeeded"
    assert await till.purse.three() == (1300, 0, 0)
    intent = (await till.rows("SELECT charge_ref FROM payments"))[0][0]
    assert len(stripelike.ask("GET", f"/refunds?payment_intent={intent}")["data"]) == 1


async def test_a_refusal_gives_back_what_was_set_aside(
    till: Till, admin: Person, stripelike: Stripelike, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what somebody made at the gateway meanwhile, which had no room beside ours, is followed."""
    payment = await till.paid(stripelike)
    accepted = (await refund(till, admin, payment["id"])).json()
    intent = (await till.rows("SELECT charge_ref FROM payments"))[0][0]
    stripelike.ask("POST", "/refunds", payment_intent=intent, amount=500)

    async def refuse(*_: object) -> None:
        raise GatewayRefused("amount_too_large")

    monkeypatch.setattr(type(till.desk.gateways.named("stripe")), "refund", refuse)
    assert (await till.work(accepted["job_id"]))["state"] == "failed"
    assert await till.purse.three() == (1500, 0, 0)
    payment = await till.payment(payment["id"])
    assert (payment["refunded"], payment["refunding"]) == (500, 0)


async def test_one_made_at_the_gateway_is_followed(till: Till, stripelike: Stripelike) -> None:
    payment = await till.paid(stripelike)
    await till.purse.charge(1800)
    intent = (await till.rows("SELECT charge_ref FROM payments"))[0][0]
    made = stripelike.ask("POST", "/refunds", payment_intent=intent, amount=500)
    event = {"id": "evt_refund", "type": "refund.created", "data": {"object": made}}
    for copy in ("evt_refund", "evt_refund_again"):
        assert await till.stripe_says({**event, "id": copy}) == 200
    assert (await till.payment(payment["id"]))["refunded"] == 500
    assert await till.purse.three() == (0, 0, -300)


async def test_a_dispute_takes_and_a_won_one_gives_back(till: Till, stripelike: Stripelike) -> None:
    payment = await till.paid(stripelike)
    await till.purse.charge(1500)
    intent = (await till.rows("SELECT charge_ref FROM payments"))[0][0]
    seen = []
    dispute = stripelike.dispute(payment_intent=intent, status="warning_needs_response")
    for number, status in enumerate(("warning_needs_response", "needs_response", "needs_response", "won")):
        stripelike.dispute(id=dispute["id"], status=status)
        event = {"id": f"evt_{number}", "type": "charge.dispute.updated", "data": {"object": dispute}}
        assert await till.stripe_says(event) == 200
        seen.append((await till.purse.three(), (await till.payment(payment["id"]))["dispute"]))
    assert seen == [
        ((500, 0, 0), "inquiry"),
        ((0, 0, -1500), "open"),
        ((0, 0, -1500), "open"),
        ((500, 0, 0), "won"),
    ]


async def test_a_lost_dispute_stays_taken(till: Till, stripelike: Stripelike) -> None:
    payment = await till.paid(stripelike)
    intent = (await till.rows("SELECT charge_ref FROM payments"))[0][0]
    dispute = stripelike.dispute(payment_intent=intent, status="needs_response")
    event = {"id": "evt_1", "type": "charge.dispute.created", "data": {"object": dispute}}
    await till.stripe_says(event)
    assert await till.balance() == 0
    stripelike.dispute(id=dispute["id"], status="lost")
    # Nobody tells; it is asked for.
    assert (await till.poll())["disputes"] == 1
    assert (await till.payment(payment["id"]))["dispute"] == "lost"
    assert await till.purse.three() == (0, 0, 0)
    assert "disputes" not in await till.poll()


async def test_customers_refund_nothing(till: Till, stripelike: Stripelike) -> None:
    payment = await till.paid(stripelike)
    assert (await refund(till, till.person, payment["id"])).status_code == 403


async def test_a_job_that_dies_after_the_gateway_made_it_books_nothing(
    till: Till, admin: Person, stripelike: Stripelike, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = await till.paid(stripelike)
    accepted = (await refund(till, admin, payment["id"], 700)).json()
    with monkeypatch.context() as broken:
        broken.setattr(refund_job, "apply", None)
        await till.execute("UPDATE jobs SET attempts = 100 WHERE state = 'queued'")
        assert (await till.work(accepted["job_id"]))["state"] == "failed"
    assert await till.purse.three() == (1300, 700, 0)
    await till.poll()
    assert await till.purse.three() == (1300, 0, 0)
    assert (await till.payment(payment["id"]))["refunded"] == 700


async def test_one_booked_as_failed_is_taken_back_when_it_went(
    till: Till, admin: Person, stripelike: Stripelike
) -> None:
    payment = await till.paid(stripelike)
    await done(till, admin, payment["id"], 700)
    await till.execute("UPDATE refunds SET state = 'failed', succeeded_at = NULL")
    await till.execute("UPDATE payments SET refunded = 0")
    (row,) = await till.rows("SELECT gateway_ref FROM refunds")
    made = stripelike.ask("GET", f"/refunds/{row.gateway_ref}")
    await till.stripe_says({"id": "evt_late", "type": "refund.updated", "data": {"object": made}})
    assert (await till.payment(payment["id"]))["refunded"] == 700


async def test_one_that_went_after_all_waits_for_those_under_way(
    till: Till, admin: Person, stripelike: Stripelike
) -> None:
    """Never more than was paid: what another refund set aside is free again once the gateway refused it."""
    payment = await till.paid(stripelike)
    await done(till, admin, payment["id"], 2000)
    ((gateway_ref,),) = await till.rows("SELECT gateway_ref FROM refunds")
    await till.execute("UPDATE refunds SET state = 'failed', succeeded_at = NULL")
    await till.execute("UPDATE payments SET refunded = 0")
    await till.purse.top_up(2000)
    under_way = await refund(till, admin, payment["id"], 600)
    assert under_way.status_code == 202, under_way.text
    made = stripelike.ask("GET", f"/refunds/{gateway_ref}")
    event = {"id": "evt_after_all", "type": "refund.updated", "data": {"object": made}}
    assert await till.stripe_says(event) == 200
    found = await till.payment(payment["id"])
    assert (found["refunded"], found["refunding"]) == (0, 600)
    # The gateway has given back all of it already, and refuses.
    await till.execute("UPDATE refunds SET state = 'failed' WHERE state = 'pending'")
    await till.execute("UPDATE payments SET refunding = 0")
    await till.execute("UPDATE gateway_messages SET next_try_at = now()")
    await till.poll()
    found = await till.payment(payment["id"])
    assert (found["refunded"], found["refunding"]) == (2000, 0)


@pytest.mark.parametrize("knows_its_payment", [True, False])
async def test_one_that_is_told_of_before_its_payment_is_not_lost(
    till: Till, stripelike: Stripelike, knows_its_payment: bool
) -> None:
    payment = await till.begun(2000)
    stripelike.pay(payment["action_url"])
    ((page_ref,),) = await till.rows("SELECT gateway_ref FROM payments")
    intent = stripelike.ask("GET", f"/checkout/sessions/{page_ref}")["payment_intent"]
    intent = intent if isinstance(intent, str) else intent["id"]
    stripelike.ask("POST", "/refunds", payment_intent=intent)
    metadata = {"payment_id": payment["id"]} if knows_its_payment else {}
    charge = {"object": "charge", "id": "ch_1", "payment_intent": intent, "metadata": metadata}
    event = {"id": "evt_early", "type": "charge.refunded", "data": {"object": charge}}
    assert await till.stripe_says(event) == 200
    for _ in range(2):
        await till.poll()
        await till.execute("UPDATE gateway_messages SET next_try_at = now()")
    assert (await till.payment(payment["id"]))["refunded"] == 2000
    assert await till.purse.three() == (0, 0, 0)


async def test_of_what_waits_for_a_person_nothing_is_taken(till: Till, stripelike: Stripelike) -> None:
    """Its money was never credited."""
    await till.purse.top_up(3000)
    payment = await till.paid(stripelike)
    ((intent,),) = await till.rows("SELECT charge_ref FROM payments")
    await till.execute("UPDATE payments SET state = 'review'")
    made = stripelike.ask("POST", "/refunds", payment_intent=intent, amount=500)
    before = await till.purse.three()
    event = {"id": "evt_review", "type": "refund.created", "data": {"object": made}}
    assert await till.stripe_says(event) == 200
    assert (await till.payment(payment["id"]))["refunded"] == 0
    assert await till.purse.three() == before
