"""A worker is killed between the gateway and the ledger: what is true there becomes true here, once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

import pytest
from pydantic import SecretStr

from backend.config import Settings
from tests.billing.paying import Till
from tests.billing.stripelike import ROOT, Stripelike
from tests.support.people import Person


@pytest.fixture
def settings(stripe_settings: Settings) -> Settings:
    return stripe_settings


def plain(settings: Settings) -> str:
    values: dict[str, Any] = {}
    for name, value in settings.model_dump().items():
        values[name] = value.get_secret_value() if isinstance(value, SecretStr) else value
    return json.dumps(values, default=str)


async def killed_during(till: Till, stripelike: Stripelike, job_id: str, path: str) -> None:
    """The gateway has done what was asked, and its answer is on the way."""
    stripelike.calls(forget=True)
    stripelike.hold(hold=True, at=path)
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.billing.collect_once", job_id],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin is not None
    worker.stdin.write(plain(till.settings))
    worker.stdin.close()
    deadline = time.monotonic() + 60
    try:
        while not any(call["path"].endswith(path) for call in stripelike.calls()):
            assert worker.poll() is None, "the worker ended before"
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
    finally:
        worker.kill()
        worker.wait()
        stripelike.hold(hold=False)
    # Its lease runs out, and the relay gives the job to another worker.
    await till.execute("UPDATE jobs SET state = 'queued', lease_until = NULL WHERE state = 'running'")


@pytest.mark.parametrize("path", ["/payment_intents", "/confirm"])
async def test_a_charge(till: Till, stripelike: Stripelike, path: str) -> None:
    method = await till.saved_card(stripelike)
    accepted = await till.accepted(1500, method_id=method)
    await killed_during(till, stripelike, accepted["job_id"], path)
    assert await till.balance() == 0
    assert (await till.work(accepted["job_id"]))["state"] == "succeeded"
    await till.poll()
    assert await till.balance() == 1500
    confirmed = [call for call in stripelike.calls() if call["path"].endswith("/confirm")]
    assert len(confirmed) == 1


async def test_a_refund(till: Till, admin: Person, stripelike: Stripelike) -> None:
    payment = await till.paid(stripelike)
    path = f"/api/v1/admin/billing/payments/{payment['id']}/refunds"
    body = {"amount": 700, "reason": "Ordered by mistake"}
    accepted = (await till.client.post(path, json=body, headers=admin.headers)).json()
    await killed_during(till, stripelike, accepted["job_id"], "/refunds")
    assert await till.purse.three() == (1300, 700, 0)
    assert (await till.work(accepted["job_id"]))["state"] == "succeeded"
    assert await till.purse.three() == (1300, 0, 0)
    made = [call for call in stripelike.calls() if (call["method"], call["path"]) == ("POST", "/v1/refunds")]
    assert len(made) == 1
