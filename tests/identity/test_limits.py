"""How often one may try to sign in, with Redis and without."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from backend.config import Settings
from backend.database import Database
from backend.exceptions import TooManyRequests
from backend.oauth import limits
from backend.oauth.caller import client_address
from backend.oauth.dao import ClientDAO
from backend.oauth.identity import identity_of
from backend.oauth.limits import AttemptLimits
from backend.oauth.models import OAuthClient
from backend.oauth.tokens import digest
from tests.identity.oauth import refresh, sign_in
from tests.support.people import Person, UserFactory

pytestmark = pytest.mark.usefixtures("no_time_passes")

ELSEWHERE = [f"203.0.113.{number}" for number in range(100, 150)]


def from_(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def guess(client: httpx.AsyncClient, person: Person | str, address: str) -> int:
    return (await sign_in(client, person, "wrong password", headers=from_(address))).status_code


@pytest.fixture
def settings(settings_of):  # type: ignore[no-untyped-def]
    return settings_of(guess_free_tries=3, guess_free_tries_anywhere=6, login_rate_per_address="8/5minutes")


async def test_guesses_from_one_network(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    ada, eve = await user_factory(), await user_factory()
    assert [await guess(client, ada, "203.0.113.1") for _ in range(4)] == [400, 400, 400, 429]
    # The right password does not help, in no spelling of the account.
    refused = await sign_in(client, ada.email.upper(), headers=from_("203.0.113.1"))
    assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
    assert refused.headers["retry-after"] == "1"
    assert "1 seconds" in refused.json()["error_description"]
    assert refused.headers["cache-control"] == "no-store"
    assert (await sign_in(client, eve, headers=from_("203.0.113.1"))).status_code == 200
    # Whoever is signed in already is not disturbed.
    assert (await refresh(client, ada.refresh_token)).status_code == 200


async def test_guesses_from_everywhere(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    ada = await user_factory()
    answers = [await guess(client, ada, address) for address in ELSEWHERE[:7]]
    assert answers == [400] * 6 + [429]


async def test_nobody_is_locked_out_of_the_usual_place(
    client: httpx.AsyncClient, user_factory: UserFactory
) -> None:
    """However long others guess, at the account or from its neighbourhood."""
    ada = await user_factory()
    assert (await sign_in(client, ada, headers=from_("203.0.113.1"))).status_code == 200
    answers = [await guess(client, ada, address) for address in ELSEWHERE[:20]]
    assert answers[-1] == 429
    assert (await sign_in(client, ada, headers=from_(ELSEWHERE[30]))).status_code == 429
    assert (await sign_in(client, ada, headers=from_("203.0.113.1"))).status_code == 200


async def test_a_known_browser_counts_for_itself(settings: Settings) -> None:
    """Whoever guesses in the same network does not slow it down, and nobody becomes it by saying so."""
    limits = AttemptLimits(settings.model_copy(update={"login_rate_per_address": "100/minute"}))
    here = {"account": "ada@example.com", "address": "203.0.113.1"}
    await limits.check("sign_in", **here, device="her laptop")
    await limits.succeeded("sign_in", **here, device="her laptop")
    for _ in range(4):
        await limits.allows("sign_in", **here)
    assert not await limits.allows("sign_in", **here)
    assert not await limits.allows("sign_in", **here, device="some laptop")
    for _ in range(3):
        await limits.check("sign_in", **here, device="her laptop")
    with pytest.raises(TooManyRequests):
        await limits.check("sign_in", **here, device="her laptop")
    await limits.close()


async def test_unknown_accounts_too(client: httpx.AsyncClient) -> None:
    for someone in ("nobody@example.com", "no address"):
        address = f"203.0.113.{len(someone)}"
        assert [await guess(client, someone, address) for _ in range(4)] == [400, 400, 400, 429]


async def test_success_counts_from_zero(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    ada = await user_factory()
    for address in ELSEWHERE[:20]:
        assert (await sign_in(client, ada, headers=from_(address))).status_code == 200
    assert [await guess(client, ada, "203.0.113.1") for _ in range(2)] == [400, 400]
    assert (await sign_in(client, ada, headers=from_("203.0.113.1"))).status_code == 200
    assert [await guess(client, ada, "203.0.113.1") for _ in range(4)] == [400, 400, 400, 429]


async def test_by_address(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    ada = await user_factory()
    for number in range(8):
        assert await guess(client, f"u{number}@example.com", "203.0.113.5") == 400
    refused = await sign_in(client, ada, headers=from_("203.0.113.5"))
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 300
    assert (await sign_in(client, ada, headers=from_("203.0.113.6"))).status_code == 200


async def test_an_address_that_is_refused_delays_no_account(
    client: httpx.AsyncClient, user_factory: UserFactory
) -> None:
    ada = await user_factory()
    for number in range(8):
        await guess(client, f"u{number}@example.com", "203.0.113.5")
    assert {await guess(client, ada, "203.0.113.5") for _ in range(10)} == {429}
    assert [await guess(client, ada, address) for address in ELSEWHERE[:6]] == [400] * 6


async def test_a_whole_ipv6_network_is_one_subscriber(client: httpx.AsyncClient) -> None:
    for number in range(8):
        await guess(client, f"u{number}@example.com", f"2001:db8::{number}")
    assert await guess(client, "x@example.com", "2001:db8::ffff") == 429
    assert await guess(client, "x@example.com", "2001:db8:0:1::1") == 400


async def test_at_once_it_holds_exactly(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    ada = await user_factory()
    answers = await asyncio.gather(*(guess(client, ada, address) for address in ELSEWHERE[:20]))
    assert sorted(answers) == [400] * 6 + [429] * 14


async def test_processes_share_the_count(
    client: httpx.AsyncClient, app: FastAPI, user_factory: UserFactory
) -> None:
    ada = await user_factory()
    for _ in range(3):
        await guess(client, ada, "203.0.113.7")
    other = AttemptLimits(identity_of(app).settings)
    with pytest.raises(TooManyRequests):
        await other.check("sign_in", account=ada.email, address="203.0.113.7")
    await other.close()


async def test_an_applications_secret(
    client: httpx.AsyncClient, user_factory: UserFactory, database: Database
) -> None:
    ada = await user_factory()
    async with database.transaction() as session:
        application = OAuthClient(
            id="tides",
            owner_id=ada.id,
            name="Tides",
            grants=["client_credentials"],
            secret_hash=digest("right"),
        )
        await ClientDAO(session).add(application)

    async def show(secret: str, address: str) -> httpx.Response:
        form = {"client_id": "tides", "client_secret": secret, "token": "x"}
        return await client.post("/oauth/introspect", data=form, headers=from_(address))

    # A right one may be shown as often as one likes.
    answers = await asyncio.gather(*(show("right", "203.0.113.1") for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}
    wrong = [await show("wrong", "203.0.113.2") for _ in range(4)]
    assert [answer.status_code for answer in wrong] == [400, 400, 400, 429]
    assert wrong[-1].json()["error"] == "too_many_requests"
    assert wrong[-1].headers["retry-after"] == "1"
    assert (await show("right", "203.0.113.2")).status_code == 429
    assert (await show("right", "203.0.113.1")).status_code == 200


class TestWithoutRedis:
    @pytest.fixture
    def settings(self, settings_of, tmp_path: Path):  # type: ignore[no-untyped-def]
        return settings_of(guess_free_tries=3, redis_url=f"unix://{tmp_path}/nobody-listens.sock")

    async def test_limits_hold_in_memory(self, client: httpx.AsyncClient, user_factory: UserFactory) -> None:
        ada = await user_factory()
        answers = [await sign_in(client, ada, "wrong password") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [400, 400, 400, 429]
        assert (await sign_in(client, await user_factory())).status_code == 200


class TestRedisHangs:
    @pytest.fixture
    def waits(self) -> list[None]:
        """One for each connection that was made to the Redis that never answers."""
        return []

    @pytest.fixture
    async def settings(self, settings_of, tmp_path: Path, waits: list[None]):  # type: ignore[no-untyped-def]
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            waits.append(None)
            await reader.read()
            writer.close()

        path = tmp_path / "silent.sock"
        server = await asyncio.start_unix_server(silent, path)
        yield settings_of(redis_url=f"unix://{path}")
        server.close()

    async def test_only_the_first_waits(
        self,
        client: httpx.AsyncClient,
        user_factory: UserFactory,
        waits: list[None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # However long this takes, nobody asks again meanwhile.
        monkeypatch.setattr(limits, "AWAY_PAUSE", 1000.0)
        ada = await user_factory()
        assert (await sign_in(client, ada)).status_code == 200
        first = len(waits)
        assert first > 0
        for _ in range(4):
            assert (await sign_in(client, ada)).status_code == 200
        assert len(waits) == first


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("198.51.100.7", "", (), "198.51.100.7"),
        ("198.51.100.7", "203.0.113.1", (), "198.51.100.7"),
        ("198.51.100.7", "203.0.113.1", ("10.0.0.0/8",), "198.51.100.7"),
        ("10.0.0.1", "203.0.113.1", ("10.0.0.0/8",), "203.0.113.1"),
        ("10.0.0.1", "9.9.9.9, 203.0.113.1", ("10.0.0.0/8",), "203.0.113.1"),
        ("10.0.0.1", "9.9.9.9, 203.0.113.1, 10.0.0.2", ("10.0.0.0/8",), "203.0.113.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", ("10.0.0.0/8",), "10.0.0.3"),
        ("10.0.0.1", "nonsense", ("10.0.0.0/8",), "10.0.0.1"),
        ("10.0.0.1", "9.9.9.9, nonsense, 10.0.0.2", ("10.0.0.0/8",), "10.0.0.2"),
        ("10.0.0.1", "", ("10.0.0.1",), "10.0.0.1"),
        (None, "203.0.113.1", (), "203.0.113.1"),
        (None, "9.9.9.9, 203.0.113.1", (), "203.0.113.1"),
        (None, "", (), "unknown"),
        ("", "2001:db8::1", (), "2001:db8::1"),
        ("::ffff:10.0.0.1", "203.0.113.1", ("10.0.0.0/8",), "203.0.113.1"),
        ("testclient", "203.0.113.1", (), "unknown"),
    ],
)
def test_whose_address_counts(
    peer: str | None, forwarded: str, trusted: tuple[str, ...], address: str
) -> None:
    scope = {
        "type": "http",
        "headers": [(b"x-forwarded-for", forwarded.encode())] if forwarded else [],
        "client": None if peer is None else (peer, 0),
    }
    assert client_address(Request(scope), trusted) == address
