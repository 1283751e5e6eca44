"""Growing delays between wrong guesses: the same in Redis and in a process's memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from redis.asyncio import ConnectionPool

from backend.config import Settings
from backend.oauth.delays import FORGOTTEN, Delays, OwnGuesses, SharedGuesses, Subject
from backend.oauth.limits import AttemptLimits, declared

ADA = Subject("ada", "home", here=Delays(3, 900), anywhere=Delays(6, 60))


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=[OwnGuesses, SharedGuesses])
async def guesses(
    request: pytest.FixtureRequest, settings: Settings, redis_database: int
) -> AsyncIterator[OwnGuesses | SharedGuesses]:
    pool = ConnectionPool.from_url(settings.redis_url.get_secret_value())
    made = OwnGuesses() if request.param is OwnGuesses else SharedGuesses(pool, "test")
    made.clock = Clock()
    yield made
    await pool.aclose()


def elsewhere(number: int) -> Subject:
    return replace(ADA, network=f"net-{number}")


async def test_they_double_up_to_the_longest(guesses: OwnGuesses) -> None:
    waits = []
    for _ in range(15):
        assert await guesses.take(ADA) == 0
        waits.append(wait := await guesses.look(ADA))
        guesses.clock.now += wait  # type: ignore[attr-defined]
    assert [round(wait) for wait in waits] == [0, 0, *(2**n for n in range(10)), 900, 900, 900]


async def test_coming_too_early_makes_it_no_longer(guesses: OwnGuesses) -> None:
    for _ in range(3):
        await guesses.take(ADA)
    assert [round(await guesses.take(ADA)) for _ in range(100)] == [1] * 100


async def test_a_right_one_ends_them_here_and_takes_itself_back_elsewhere(guesses: OwnGuesses) -> None:
    for number in range(5):
        await guesses.take(elsewhere(number))
    assert await guesses.take(ADA) == 0
    await guesses.forgive(ADA)
    assert await guesses.look(ADA) == 0
    guesses.clock.now += 1  # type: ignore[attr-defined]
    assert await guesses.take(elsewhere(7)) == 0
    assert await guesses.take(elsewhere(8)) > 0


async def test_a_known_network_has_its_own_count(guesses: OwnGuesses) -> None:
    await guesses.take(ADA)
    await guesses.forgive(ADA)
    for number in range(6):
        assert await guesses.take(elsewhere(number)) == 0
    assert await guesses.take(elsewhere(6)) > 0
    for _ in range(3):
        assert await guesses.take(ADA) == 0
    assert await guesses.take(ADA) > 0


async def test_after_a_day_it_is_forgotten() -> None:
    guesses = OwnGuesses()
    clock = guesses.clock = Clock()
    for _ in range(3):
        await guesses.take(ADA)
    assert await guesses.look(ADA) > 0
    clock.now += FORGOTTEN
    assert [await guesses.take(ADA) for _ in range(3)] == [0, 0, 0]


async def test_memory_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.oauth.delays.REMEMBERED", 10)
    guesses = OwnGuesses()
    for number in range(100):
        await guesses.take(replace(ADA, account=str(number)))
    assert len(guesses._entries) == 10


async def test_what_cannot_be_guessed_is_counted_when_it_fails(settings: Settings) -> None:
    limits = AttemptLimits(settings)
    whose = {"account": "an application", "address": "203.0.113.1"}
    for _ in range(100):
        await limits.check("client", **whose)
    for _ in range(settings.guess_free_tries):
        assert await limits.allows("client", **whose)
        await limits.failed("client", **whose)
    assert not await limits.allows("client", **whose)
    await limits.succeeded("client", **whose)
    assert await limits.allows("client", **whose)
    await limits.close()


@pytest.mark.parametrize("name", ["sign_in", "second_factor", "proof", "client"])
def test_secrets_that_are_shown_have_delays(settings: Settings, name: str) -> None:
    limit = declared(settings)[name]  # type: ignore[index]
    assert limit.here is not None
    assert limit.anywhere is not None
    assert limit.anywhere.free > limit.here.free
