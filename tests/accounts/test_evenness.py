"""How long an answer takes does not tell whether an account exists.

Both kinds of attempts alternate, so that whatever else the machine does falls on both. Compared are the
medians: their difference must stay within what chance explains (three standard errors of a difference
of medians, estimated by the median absolute deviation) or, where that is less, within 2 ms: below what
can be told across a network from a bounded number of attempts.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from backend.config import Settings
from backend.utils.pace import Pace
from tests.identity.oauth import sign_in
from tests.support.people import Person

ATTEMPTS = 40
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
    medians = [statistics.median(taken) for taken in times]
    allowed = max(LEAST, 3 * math.hypot(*(_standard_error(taken) for taken in times)))
    difference = abs(medians[0] - medians[1])
    assert difference <= allowed, (
        f"{medians[0]:.4f} s and {medians[1]:.4f} s differ by more than {allowed:.4f}"
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


def _without_pending(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code == 200, answer.text
    return httpx.Response(200, json={**answer.json(), "pending_email": "…"})


async def test_a_slow_machine_gets_longer_steps() -> None:
    """Else one way would end before a step, the other after it."""
    pace = Pace()
    for taken, expected in ((0.0, 0.1), (0.06, 0.2), (0.0, 0.2), (0.15, 0.4), (0.01, 0.4)):
        began = time.monotonic()
        async with pace.evenly("something"):
            await asyncio.sleep(taken)
        assert expected <= time.monotonic() - began < expected + 0.1, taken
