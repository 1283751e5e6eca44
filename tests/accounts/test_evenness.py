"""How long an answer takes does not tell whether an account exists.

Attempts of both kinds are made in pairs, one right after the other, so that whatever else the machine does
falls on both, a longer step of the pace too. The median of the pairs' differences must stay within what
chance explains (four of its standard errors, estimated by the median absolute deviation) or, where that is
less, within 2 ms: below what can be told across a network from a bounded number of attempts.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest

from backend.config import Settings
from backend.utils import pace
from tests.identity.oauth import sign_in
from tests.services.conftest import order_body
from tests.support.people import Person

ATTEMPTS = 24
WARM_UP = 3
LEAST = 0.002

Attempt = Callable[[int], Awaitable[httpx.Response]]


@pytest.fixture
def settings(settings_of: Callable[..., Settings]) -> Settings:
    many = "100000/minute"
    return settings_of(
        email_verification="required",
        code_rate_per_subject=many,
        code_rate_per_address=many,
        login_rate_per_address=many,
        registration_rate_per_address=many,
        guess_free_tries=10_000,
        guess_free_tries_anywhere=10_000,
        hook_rate_per_address=many,
    )


async def compare(known: Attempt, unknown: Attempt) -> None:
    times: tuple[list[float], list[float]] = ([], [])
    texts: tuple[set[tuple[int, str]], set[tuple[int, str]]] = (set(), set())
    for number in range(WARM_UP + ATTEMPTS):
        # Who goes first alternates too.
        for which in (number % 2, 1 - number % 2):
            began = time.perf_counter()
            answer = await (known, unknown)[which](number)
            taken = time.perf_counter() - began
            texts[which].add((answer.status_code, _without_address(answer)))
            if number >= WARM_UP:
                times[which].append(taken)
    assert texts[0] == texts[1]
    differences = [one - other for one, other in zip(*times, strict=True)]
    typical = statistics.median(differences)
    allowed = max(LEAST, 4 * _standard_error(differences))
    assert abs(typical) <= allowed, (
        f"of around {statistics.median(times[0]):.4f} s, one kind takes {typical:+.4f} s longer, which is"
        f" more than {allowed:.4f} s"
    )


def _standard_error(taken: list[float]) -> float:
    middle = statistics.median(taken)
    deviation = 1.4826 * statistics.median(abs(one - middle) for one in taken)
    return deviation * math.sqrt(math.pi / 2 / len(taken))


def _without_address(answer: httpx.Response) -> str:
    body = answer.json()
    return str({**body, "email": "…"} if "email" in body else body)


async def test_signing_in(client: httpx.AsyncClient, ada: Person) -> None:
    await compare(
        lambda _: sign_in(client, ada, "not the password"),
        lambda number: sign_in(client, f"nobody{number}@example.com", "not the password"),
    )


async def test_registering(client: httpx.AsyncClient, ada: Person) -> None:
    def register(email: str) -> Awaitable[httpx.Response]:
        return client.post("/api/v1/users", json={"email": email, "password": "seven gulls over the quay"})

    await compare(lambda _: register(ada.email), lambda number: register(f"new{number}@example.com"))


async def test_asking_for_a_password(client: httpx.AsyncClient, ada: Person) -> None:
    def ask(email: str) -> Awaitable[httpx.Response]:
        return client.post("/api/v1/users/password-reset", json={"email": email})

    await compare(lambda _: ask(ada.email), lambda number: ask(f"nobody{number}@example.com"))


async def test_asking_for_another_address(client: httpx.AsyncClient, ada: Person, eve: Person) -> None:
    def ask(email: str) -> Awaitable[httpx.Response]:
        return client.post("/api/v1/me/email", json={"email": email}, headers=eve.headers)

    async def known(number: int) -> httpx.Response:
        return _without_pending(await ask(ada.email))

    async def unknown(number: int) -> httpx.Response:
        return _without_pending(await ask(f"free{number}@example.com"))

    await compare(known, unknown)


async def test_calling_a_webhook(client: httpx.AsyncClient, ada: Person) -> None:
    """What is refused is written down behind the answer."""
    body = order_body() | {"project_id": str(ada.project_id)}
    service = (await client.post("/api/v1/orders", json=body, headers=ada.headers)).json()["service_id"]
    made = await client.post(f"/api/v1/services/{service}/push/secret", headers=ada.headers)
    url = made.json()["url"]

    def call(address: str) -> Awaitable[httpx.Response]:
        headers = {"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + "0" * 64}
        headers["X-Request-Id"] = "the-same-for-all"
        return client.post(address, content=b"{}" * 500, headers=headers)

    nowhere = url.rpartition("/")[0]
    await compare(lambda _: call(url), lambda _: call(f"{nowhere}/{uuid4()}"))


def _without_pending(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code == 200, answer.text
    return httpx.Response(200, json={**answer.json(), "pending_email": "…"})


async def test_a_slow_machine_gets_longer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one way would end before a step, the other after it."""
    at = 0.0

    async def pass_time(seconds: float) -> None:
        nonlocal at
        at += seconds

    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: at))
    monkeypatch.setattr(pace, "asyncio", SimpleNamespace(sleep=pass_time))
    evenly = pace.Pace().evenly
    for taken, expected in ((0.0, 0.1), (0.06, 0.2), (0.0, 0.2), (0.15, 0.4), (0.01, 0.4)):
        began = at
        async with evenly("something"):
            await pass_time(taken)
        assert at - began == pytest.approx(expected), taken
