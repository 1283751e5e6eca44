"""What has no end by itself gets one: payments of another amount, lost refunds, messages of gateways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from backend.billing.payments import message_retention
from backend.billing.payments.gateways.stripe import _page_ends
from backend.billing.payments.message_models import GatewayMessage
from backend.config import Settings
from tests.billing.paying import Till
from tests.billing.stripelike import Stripelike
from tests.support.people import Person

PATH = "/api/v1/admin/billing"


@pytest.fixture
def settings(stripe_settings: Settings) -> Settings:
    return stripe_settings


async def in_review(till: Till, stripelike: Stripelike, taken: int) -> dict[str, Any]:
    """A payment of 20.00 of which the gateway says that it took something else."""
    payment = await till.begun(2000)
    stripelike.pay(payment["action_url"])
    await till.execute("UPDATE payments SET amount = :asked", asked=taken + 100)
    await till.poll()
    found = await till.payment(payment["id"])
    assert found["state"] == "review"
    assert await till.balance() == 0
    return found


async def decide(till: Till, person: Person, payment_id: str, decision: str) -> httpx.Response:
    body = {"decision": decision, "reason": "The customer was asked"}
    return await till.client.post(f"{PATH}/payments/{payment_id}/review", json=body, headers=person.headers)


async def test_what_was_taken_is_credited(till: Till, admin: Person, stripelike: Stripelike) -> None:
    payment = await in_review(till, stripelike, 2000)
    found = await till.client.get(f"{PATH}/payments/{payment['id']}", headers=admin.headers)
    assert (found.json()["amount"], found.json()["taken_amount"]) == (2100, 2000)
    answer = await decide(till, admin, payment["id"], "accept")
    assert answer.status_code == 201, answer.text
    shown = answer.json()["payment"]
    assert (shown["state"], shown["amount"], shown["failure_code"]) == ("succeeded", 2000, None)
    assert await till.balance() == 2000
    assert await till.purse.operator("gateway", "stripe") == -2000
    again = await decide(till, admin, payment["id"], "accept")
    assert (again.status_code, again.json()["code"]) == (409, "not_in_review")
    assert await till.balance() == 2000


async def test_or_given_back(till: Till, admin: Person, stripelike: Stripelike) -> None:
    payment = await in_review(till, stripelike, 2000)
    answer = await decide(till, admin, payment["id"], "return")
    assert answer.status_code == 201, answer.text
    assert await till.purse.three() == (0, 2000, 0)
    assert (await till.work(answer.json()["job_id"]))["state"] == "succeeded"
    assert await till.purse.three() == (0, 0, 0)
    assert (await till.payment(payment["id"]))["refunded"] == 2000


async def test_only_by_those_who_may(till: Till, stripelike: Stripelike) -> None:
    payment = await in_review(till, stripelike, 2000)
    assert (await decide(till, till.person, payment["id"], "accept")).status_code == 403


async def lost(till: Till, admin: Person, stripelike: Stripelike) -> tuple[str, str]:
    """A refund of a payment that the gateway cannot be asked about: payment and refund."""
    payment = await till.paid(stripelike)
    body = {"amount": 700, "reason": "Ordered by mistake"}
    path = f"{PATH}/payments/{payment['id']}/refunds"
    accepted = (await till.client.post(path, json=body, headers=admin.headers)).json()
    await till.execute("UPDATE payments SET charge_ref = NULL")
    assert (await till.work(accepted["job_id"]))["state"] == "failed"
    assert await till.purse.three() == (1300, 700, 0)
    return payment["id"], accepted["refund_id"]


async def test_a_refund_that_nobody_knows_of_ends(till: Till, admin: Person, stripelike: Stripelike) -> None:
    payment_id, _ = await lost(till, admin, stripelike)
    for _ in range(10):
        await till.poll()
    assert await till.purse.three() == (2000, 0, 0)
    ((state, code),) = await till.rows("SELECT state, failure_code FROM refunds")
    assert (state, code) == ("failed", "payment_unknown")
    payment = await till.payment(payment_id)
    assert (payment["refunded"], payment["refunding"]) == (0, 0)


@pytest.mark.parametrize(("outcome", "left"), [("succeeded", (1300, 0, 0)), ("failed", (2000, 0, 0))])
async def test_or_somebody_says_how(
    till: Till, admin: Person, stripelike: Stripelike, outcome: str, left: tuple[int, int, int]
) -> None:
    _, refund_id = await lost(till, admin, stripelike)
    path, body = f"{PATH}/refunds/{refund_id}/end", {"outcome": outcome, "reason": "Sent by bank"}
    answer = await till.client.post(path, json=body, headers=admin.headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["refunds"][0]["state"] == outcome
    assert await till.purse.three() == left
    again = await till.client.post(path, json=body, headers=admin.headers)
    assert (again.status_code, again.json()["code"]) == (409, "refund_ended")


async def test_messages_are_kept_for_a_while(till: Till) -> None:
    ages = {"old": ("applied", 401), "waits": ("received", 401), "new": ("applied", 399)}
    async with till.database.transaction() as session:
        session.add_all(
            GatewayMessage(
                gateway="stripe",
                event_id=name,
                kind="charge.refunded",
                about="refund",
                body="sealed",
                state=state,
                received_at=datetime.now(UTC) - timedelta(days=days),
            )
            for name, (state, days) in ages.items()
        )
    async with till.database.transaction() as session:
        assert await message_retention.prune(session) == 1
    kept = await till.rows("SELECT event_id FROM gateway_messages ORDER BY 1")
    assert [row.event_id for row in kept] == ["new", "waits"]


@pytest.mark.parametrize("until", [None, timedelta(minutes=5), timedelta(hours=3), timedelta(days=20)])
def test_a_page_asked_for_again_ends_when_it_did(until: timedelta | None) -> None:
    """Stripe refuses an idempotency key that comes with something else."""
    first = datetime.now(UTC) - timedelta(minutes=20)
    wanted = first + until if until else None
    ends = _page_ends(first, wanted)
    assert ends == _page_ends(first, wanted)
    assert first + timedelta(minutes=59) < datetime.fromtimestamp(ends, UTC) < first + timedelta(hours=24)
