"""A localstripe process for tests, and what Stripe and its customers do there."""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.support.ports import edge_port

KEY = "sk_test_12345678"
WEBHOOK_SECRET = "whsec_a_secret_of_the_endpoint"
ROOT = Path(__file__).resolve().parents[2]

GOOD = "4242424242424242"
DECLINED = "4000000000000341"
"""Is saved, and declined when it is charged."""
CHALLENGED = "4000002500003155"
"""Wants 3-D Secure."""


@dataclass(frozen=True)
class Stripelike:
    url: str

    def ask(self, method: str, path: str, **data: Any) -> dict[str, Any]:
        """As Stripe's own part of the world: with the key, by form."""
        answer = httpx.request(method, f"{self.url}/v1{path}", data=data, auth=(KEY, ""), trust_env=False)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _do(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/_config{path}", json=body, trust_env=False)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def pay(self, url: str, number: str = GOOD) -> None:
        """What a customer does on a hosted page."""
        self._do(f"/_page/{url.rsplit('/', 1)[1]}/pay", {"number": number})

    def challenge(self, intent: str, *, passed: bool) -> None:
        self._do(f"/_page/{intent}/challenge", {"passed": passed})

    def dispute(self, **asked: Any) -> dict[str, Any]:
        return self._do("/_dispute", asked)

    def lose(self, *paths: str) -> None:
        """The answers to the next POSTs of these paths; what they ask for is done."""
        self._do("/_control", {"lose": list(paths)})

    def hold(self, *, hold: bool, at: str = "") -> None:
        """Answers to POSTs of paths that end so wait, while what they ask for is done."""
        self._do("/_control", {"hold": hold, "at": at})

    def calls(self, *, forget: bool = False) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self._do("/_control", {"forget": forget})["calls"]
        return found

    def events(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", f"/events?type={kind}&limit=100")["data"]
        return found

    def event_about(self, kind: str, payment_id: str) -> dict[str, Any]:
        """The latest of that kind whose object keeps the id of a payment."""
        events = self.events(kind)
        mine = (one for one in events if one["data"]["object"]["metadata"].get("payment_id") == payment_id)
        return next(mine)


def signed(event: dict[str, Any] | bytes, *, at: float | None = None, secret: str = WEBHOOK_SECRET) -> Any:
    """Body and headers of a message, as Stripe sends it."""
    body = event if isinstance(event, bytes) else orjson.dumps(event)
    moment = int(time.time() if at is None else at)
    mac = hmac.new(secret.encode(), b"%d.%s" % (moment, body), hashlib.sha256).hexdigest()
    return {"content": body, "headers": {"Stripe-Signature": f"t={moment},v1={mac}"}}


@pytest.fixture(scope="session")
def stripelike() -> Iterator[Stripelike]:
    port = edge_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.billing.stripe_process", str(port)], cwd=ROOT, env=os.environ.copy()
    )
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 30
    try:
        while True:
            try:
                httpx.get(url, trust_env=False)
                break
            except httpx.TransportError:
                assert process.poll() is None, "localstripe ended"
                assert time.monotonic() < deadline, "localstripe does not start"
                time.sleep(0.05)
        yield Stripelike(url)
    finally:
        process.kill()
        process.wait()
