"""Payments through YooKassa, against a server shaped after its published API."""

from __future__ import annotations

import pytest

from backend.config import Settings
from tests.billing.paying import Till
from tests.billing.yookassalike import YooKassalike
from tests.support.people import Person


@pytest.fixture
def settings(yookassa_settings: Settings) -> Settings:
    return yookassa_settings


async def ref_of(till: Till, payment_id: str) -> str:
    rows = await till.rows("SELECT gateway_ref FROM payments WHERE id = :id", id=payment_id)
    return str(rows[0][0])


async def begun(till: Till, amount: int = 50_000, **more: object) -> tuple[str, str]:
    """Our id and the gateway's."""
    payment = await till.begun(amount, gateway="yookassa", **more)
    assert payment["state"] == "requires_action", payment
    return payment["id"], await ref_of(till, payment["id"])


async def kept_method(till: Till, yookassa: YooKassalike) -> str:
    _, ref = await begun(till, save_method=True)
    yookassa.pay(ref)
    await till.poll()
    methods = (await till.ask("GET", "/payment-methods")).json()["items"]
    assert [(one["brand"], one["last4"]) for one in methods] == [("MasterCard", "4477")]
    return str(methods[0]["id"])


async def test_it_redirects_and_tells_of_the_end(till: Till, yookassa: YooKassalike) -> None:
    payment_id, ref = await begun(till)
    payment = await till.payment(payment_id)
    assert payment["action_url"] == f"https://yookassa.invalid/{ref}"
    assert await till.yookassa_says(yookassa.pay(ref)) == 200
    assert (await till.payment(payment_id))["state"] == "succeeded"
    assert await till.balance() == 50_000
    sent = yookassa.bodies[0]
    assert sent["amount"] == {"value": "500.00", "currency": "RUB"}
    assert sent["receipt"]["items"][0]["payment_mode"] == "advance"
    assert sent["receipt"]["customer"] == {"email": till.person.email}


async def test_a_refusal_is_told_with_its_reason(till: Till, yookassa: YooKassalike) -> None:
    payment_id, ref = await begun(till)
    await till.yookassa_says(yookassa.pay(ref, reason="insufficient_funds"))
    payment = await till.payment(payment_id)
    assert (payment["state"], payment["failure_code"]) == ("failed", "insufficient_funds")
    other, ref = await begun(till)
    await till.yookassa_says(yookassa.pay(ref, reason="expired_on_confirmation"))
    assert (await till.payment(other))["state"] == "cancelled"
    assert await till.balance() == 0


async def test_notifications_are_a_hint_and_nothing_more(till: Till, yookassa: YooKassalike) -> None:
    payment_id, ref = await begun(till)
    lie = yookassa.notification(yookassa.payments[ref] | {"status": "succeeded", "paid": True})
    yookassa.payments[ref] |= {"status": "pending", "paid": False}
    assert await till.yookassa_says(lie) == 200
    assert (await till.payment(payment_id))["state"] == "requires_action"
    assert await till.balance() == 0


@pytest.mark.parametrize("address", ["203.0.113.7", "185.71.78.1", "2a02:5181::1"])
async def test_from_elsewhere_they_are_refused(till: Till, yookassa: YooKassalike, address: str) -> None:
    _, ref = await begun(till)
    assert await till.yookassa_says(yookassa.pay(ref), address) == 400
    assert await till.rows("SELECT id FROM gateway_messages") == []


@pytest.mark.parametrize("body", [[], {}, {"event": "payment.succeeded"}, {"event": "x", "object": []}, "x"])
async def test_what_is_no_notification_is_refused(till: Till, body: object) -> None:
    assert await till.yookassa_says(body) == 400


async def test_copies_and_the_order_change_nothing(till: Till, yookassa: YooKassalike) -> None:
    _, ref = await begun(till)
    paid = yookassa.pay(ref)
    cancelled = {**paid, "event": "payment.canceled"}
    for message in (cancelled, paid, paid, cancelled):
        assert await till.yookassa_says(message) == 200
    assert await till.balance() == 50_000


async def test_somebody_elses_payment_pays_nobody_here(
    till: Till, other_till: Till, yookassa: YooKassalike
) -> None:
    mine, _ = await begun(till)
    _, theirs = await begun(other_till)
    message = yookassa.pay(theirs)
    message["object"]["metadata"] = {"payment_id": mine}
    assert await till.yookassa_says(message) == 200
    assert await till.balance() == 0
    assert await other_till.balance() == 50_000


async def test_a_saved_method_is_charged_once_though_answers_get_lost(
    till: Till, yookassa: YooKassalike
) -> None:
    """It is charged by the call that makes the payment, and keys are forgotten after a day."""
    method = await kept_method(till, yookassa)
    accepted = await till.accepted(30_000, gateway="yookassa", method_id=method)
    yookassa.lose = 1
    assert (await till.work(accepted["job_id"]))["state"] == "queued"
    yookassa.answered.clear()
    await till.execute("UPDATE jobs SET run_at = now() WHERE state = 'queued'")
    assert (await till.work(accepted["job_id"]))["state"] == "succeeded"
    assert await till.balance() == 80_000
    assert len(yookassa.payments) == 2


async def test_what_the_job_gave_up_on_is_found(till: Till, yookassa: YooKassalike) -> None:
    method = await kept_method(till, yookassa)
    accepted = await till.accepted(30_000, gateway="yookassa", method_id=method)
    yookassa.lose = 1
    await till.work(accepted["job_id"])
    await till.execute("UPDATE jobs SET state = 'failed', finished_at = now() WHERE state = 'queued'")
    await till.poll()
    assert (await till.payment(accepted["payment_id"]))["state"] == "succeeded"
    assert await till.balance() == 80_000


async def test_what_never_arrived_fails(till: Till, yookassa: YooKassalike) -> None:
    method = await kept_method(till, yookassa)
    accepted = await till.accepted(30_000, gateway="yookassa", method_id=method)
    await till.execute("UPDATE payments SET begun_at = now() WHERE state = 'accepted'")
    await till.execute("UPDATE jobs SET state = 'failed', finished_at = now() WHERE state = 'queued'")
    await till.poll()
    payment = await till.payment(accepted["payment_id"])
    assert (payment["state"], payment["failure_code"]) == ("failed", "gateway_unavailable")


async def test_refunds_in_parts(till: Till, admin: Person, yookassa: YooKassalike) -> None:
    payment_id, ref = await begun(till)
    await till.yookassa_says(yookassa.pay(ref))
    path = f"/api/v1/admin/billing/payments/{payment_id}/refunds"
    body = {"amount": 12_345, "reason": "Ordered by mistake"}
    accepted = (await till.client.post(path, json=body, headers=admin.headers)).json()
    yookassa.lose = 1
    assert (await till.work(accepted["job_id"]))["state"] == "queued"
    yookassa.answered.clear()
    await till.execute("UPDATE jobs SET run_at = now() WHERE state = 'queued'")
    assert (await till.work(accepted["job_id"]))["state"] == "succeeded"
    assert [one["amount"]["value"] for one in yookassa.refunds.values()] == ["123.45"]
    assert await till.purse.three() == (37_655, 0, 0)


async def test_wrong_credentials_take_nothing(till: Till, yookassa: YooKassalike) -> None:
    await till.desk.gateways.named("yookassa")._http.aclose()  # type: ignore[attr-defined]
    till.desk.gateways._made.clear()
    shop = till.desk.gateways._settings.yookassa_shop_id
    object.__setattr__(till.desk.gateways._settings, "yookassa_shop_id", "1")
    accepted = await till.accepted(50_000, gateway="yookassa")
    job = await till.work(accepted["job_id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "gateway_credentials")
    # Whether an answer was lost cannot be asked either: it stays open until the gateway can be asked.
    assert (await till.payment(accepted["payment_id"]))["state"] == "accepted"
    till.desk.gateways._made.clear()
    object.__setattr__(till.desk.gateways._settings, "yookassa_shop_id", shop)
    await till.poll()
    assert (await till.payment(accepted["payment_id"]))["state"] == "failed"
