"""How often one may try to sign in, with Redis and without."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from backend.exceptions import TooManyRequests
from backend.oauth.caller import client_address
from backend.oauth.identity import identity_of
from backend.oauth.limits import AttemptLimits
from tests.identity.oauth import refresh, sign_in
from tests.support.people import UserFactory


def from_(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


@pytest.fixture
def settings(settings_of):  # type: ignore[no-untyped-def]
    return settings_of(login_rate_per_account="3/5minutes", login_rate_per_address="6/5minutes")


async def test_by_account(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    ada, eve = await user_factory(), await user_factory()
    for number in range(3):
        answer = await sign_in(client, ada, "wrong password", headers=from_(f"203.0.113.{number}"))
        assert answer.status_code == 400
    # The right password does not help, from nowhere and in no spelling.
    refused = await sign_in(client, ada.email.upper(), headers=from_("203.0.113.9"))
    assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
    assert 0 < int(refused.headers["retry-after"]) <= 300
    assert refused.headers["cache-control"] == "no-store"
    assert (await sign_in(client, eve, headers=from_("203.0.113.1"))).status_code == 200
    # Whoever is signed in already is not disturbed.
    assert (await refresh(client, ada.refresh_token)).status_code == 200


async def test_unknown_accounts_too(client: httpx.AsyncClient) -> None:
    answers = [
        await sign_in(client, "nobody@example.com", headers=from_(f"203.0.113.{number}"))
        for number in range(4)
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 429]


async def test_success_counts_from_zero(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    ada = await user_factory()
    for number in range(8):
        answer = await sign_in(client, ada, headers=from_(f"203.0.113.{number}"))
        assert answer.status_code == 200


async def test_by_address(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    ada = await user_factory()
    for number in range(6):
        await sign_in(client, f"u{number}@example.com", headers=from_("203.0.113.5"))
    assert (await sign_in(client, ada, headers=from_("203.0.113.5"))).status_code == 429
    assert (await sign_in(client, ada, headers=from_("203.0.113.6"))).status_code == 200


async def test_an_address_that_is_refused_locks_no_account(
    client: httpx.AsyncClient, user_factory: UserFactory
) -> None:
    ada = await user_factory()
    for _ in range(6):
        await sign_in(client, "nobody@example.com", headers=from_("203.0.113.5"))
    for _ in range(10):
        await sign_in(client, ada, "wrong password", headers=from_("203.0.113.5"))
    assert (await sign_in(client, ada, headers=from_("203.0.113.6"))).status_code == 200


async def test_a_whole_ipv6_network_is_one_subscriber(client: httpx.AsyncClient) -> None:
    for number in range(6):
        await sign_in(client, f"u{number}@example.com", headers=from_(f"2001:db8::{number}"))
    assert (await sign_in(client, "x@example.com", headers=from_("2001:db8::ffff"))).status_code == 429
    assert (await sign_in(client, "x@example.com", headers=from_("2001:db8:0:1::1"))).status_code == 400


async def test_at_once_it_holds_exactly(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    ada = await user_factory()
    answers = await asyncio.gather(
        *(sign_in(client, ada, "wrong password", headers=from_(f"203.0.113.{n}")) for n in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [400] * 3 + [429] * 17


async def test_processes_share_the_count(
    client: httpx.AsyncClient, app: FastAPI, user_factory: UserFactory
) -> None:
    ada = await user_factory()
    for number in range(3):
        await sign_in(client, ada, "wrong password", headers=from_(f"203.0.113.{number}"))
    other = AttemptLimits(identity_of(app).settings)
    with pytest.raises(TooManyRequests):
        await other.sign_in(ada.email, "203.0.113.77")
    await other.close()


class TestWithoutRedis:
    @pytest.fixture
    def settings(self, settings_of, tmp_path: Path):  # type: ignore[no-untyped-def]
        return settings_of(
            login_rate_per_account="3/5minutes", redis_url=f"unix://{tmp_path}/nobody-listens.sock"
        )

    async def test_limits_hold_in_memory(self, client: httpx.AsyncClient, user_factory: UserFactory) -> None:
        ada = await user_factory()
        start = time.monotonic()
        answers = [await sign_in(client, ada, "wrong password") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [400, 400, 400, 429]
        assert time.monotonic() - start < 2
        assert (await sign_in(client, await user_factory())).status_code == 200


class TestRedisHangs:
    @pytest.fixture
    async def settings(self, settings_of, tmp_path: Path):  # type: ignore[no-untyped-def]
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        path = tmp_path / "silent.sock"
        server = await asyncio.start_unix_server(silent, path)
        yield settings_of(redis_url=f"unix://{path}")
        server.close()

    async def test_only_the_first_waits(self, client: httpx.AsyncClient, user_factory: UserFactory) -> None:
        ada = await user_factory()
        start = time.monotonic()
        for _ in range(5):
            assert (await sign_in(client, ada)).status_code == 200
        assert time.monotonic() - start < 3


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
