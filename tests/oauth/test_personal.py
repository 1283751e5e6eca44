"""Personal tokens: shown once, narrow, bound to places if asked, refused from the moment they are deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from backend.audit.models import AuditEvent
from backend.config import Settings
from backend.database import Database, now
from backend.main import create_app
from backend.oauth import identity as identity_module
from backend.oauth import personal
from backend.oauth.announcements import announce
from backend.oauth.identity import identity_of
from backend.oauth.models import PersonalToken
from backend.users.models import User
from tests.identity.oauth import me
from tests.oauth.flows import bearer
from tests.support.people import Person, UserFactory

TOKENS = "/api/v1/me/tokens"


async def make(client: httpx.AsyncClient, person: Person, **changes: Any) -> dict[str, Any]:
    body = {"name": "Nightly", "scopes": ["me:read", "services:read"], **changes}
    answer = await client.post(TOKENS, json=body, headers=person.headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def soon(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await check():
            await asyncio.sleep(0.01)


async def test_it_works_as_a_bearer(client: httpx.AsyncClient, ada: Person, database: Database) -> None:
    made = await make(client, ada)
    token = made["token"]
    assert token.startswith("gavan_pat_")
    assert len(token) == len("gavan_pat_") + 43 + 6
    mine = (await me(client, token)).json()
    assert (mine["id"], mine["permissions"]) == (str(ada.id), ["me:read", "services:read"])
    refused = await client.get("/api/v1/jobs", headers=bearer(token))
    assert refused.status_code == 403
    assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="jobs:read"'
    listed = await client.get(TOKENS, headers=ada.headers)
    assert token not in listed.text
    assert [item["name"] for item in listed.json()["items"]] == ["Nightly"]
    async with database.session() as session:
        kept = (await session.execute(select(PersonalToken))).scalar_one()
        events = (await session.execute(select(AuditEvent))).scalars().all()
    assert token.encode() not in kept.token_hash
    assert not any(token in str((event.before, event.after)) for event in events)
    # A year, unless said otherwise.
    assert kept.expires_at is not None
    assert timedelta(days=364) < kept.expires_at - now() <= timedelta(days=365)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["me:security"]}, "scopes"),
        ({"scopes": ["full"]}, "scopes"),
        ({"scopes": ["nonsense"]}, "scopes"),
        ({"networks": ["nonsense"]}, "networks"),
        ({"networks": ["10.0.0.0/33"]}, "networks"),
        ({"networks": ["10.0.0.0/8"] * 51}, "networks"),
        ({"expires_at": "2000-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2100-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2026-12-01T00:00:00"}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_what_is_refused(
    client: httpx.AsyncClient, ada: Person, changes: dict[str, Any], field: str
) -> None:
    body = {"name": "Nightly", "scopes": ["me:read"], **changes}
    answer = await client.post(TOKENS, json=body, headers=ada.headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["loc"][1] == field


async def test_for_ever_only_if_it_is_said(client: httpx.AsyncClient, ada: Person) -> None:
    made = await make(client, ada, never_expires=True)
    assert made["expires_at"] is None
    assert (await me(client, made["token"])).status_code == 200
    body = {"name": "x", "scopes": ["me:read"], "never_expires": True, "expires_at": now().isoformat()}
    assert (await client.post(TOKENS, json=body, headers=ada.headers)).status_code == 422


async def test_it_expires(
    client: httpx.AsyncClient, ada: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity_module, "MAX_AGE", 0.0)
    token = (await make(client, ada))["token"]
    assert (await me(client, token)).status_code == 200
    async with database.transaction() as session:
        await session.execute(update(PersonalToken).values(expires_at=now()))
    assert (await me(client, token)).json()["code"] == "invalid_token"


async def test_deleted_it_is_refused(client: httpx.AsyncClient, ada: Person, eve: Person) -> None:
    made = await make(client, ada)
    path = f"{TOKENS}/{made['id']}"
    assert (await me(client, made["token"])).status_code == 200
    assert (await client.delete(path, headers=eve.headers)).status_code == 404
    assert (await client.delete(path, headers=ada.headers)).status_code == 204

    async def gone() -> bool:
        return (await me(client, made["token"])).status_code == 401

    await soon(gone)
    assert (await client.delete(path, headers=ada.headers)).status_code == 404


async def test_with_its_user(client: httpx.AsyncClient, ada: Person, database: Database) -> None:
    token = (await make(client, ada))["token"]
    assert (await me(client, token)).status_code == 200
    async with database.transaction() as session:
        await session.execute(update(User).where(User.id == ada.id).values(is_active=False))
        await announce(session, ada.id)

    async def gone() -> bool:
        return (await me(client, token)).status_code == 401

    await soon(gone)


@pytest.mark.parametrize(
    "token",
    [
        "gavan_pat_",
        "gavan_pat_x",
        "gavan_pat_" + "0" * 49,
        "gavan_pat_" + "0" * 5000,
        "gavan_pat_" + "\xe9" * 49,
        "gavan_pat_" + "!" * 49,
    ],
)
async def test_what_is_none(
    client: httpx.AsyncClient, token: str, monkeypatch: pytest.MonkeyPatch, ada: Person
) -> None:
    async def never(*_: object) -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(identity_module, "read_personal", never)
    headers = {"Authorization": f"Bearer {token}".encode("latin-1")}
    answer = await client.get("/api/v1/me", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


def test_a_mistyped_one_is_told_by_its_checksum() -> None:
    token = personal.new_token()
    assert personal.is_whole(token)
    for place in range(len(personal.PREFIX), len(token)):
        other = "a" if token[place] != "a" else "b"
        assert not personal.is_whole(token[:place] + other + token[place + 1 :])
    assert len({personal.new_token() for _ in range(1000)}) == 1000


async def test_only_from_where_it_may_come(client: httpx.AsyncClient, ada: Person) -> None:
    made = await make(client, ada, networks=["198.51.100.0/24", "2001:db8::1", "203.0.113.7/24"])
    assert made["networks"] == ["198.51.100.0/24", "2001:db8::1/128", "203.0.113.0/24"]

    async def status(address: str) -> int:
        headers = {**bearer(made["token"]), "X-Forwarded-For": address}
        return (await client.get("/api/v1/me", headers=headers)).status_code

    for address in ("198.51.100.9", "2001:db8::1", "203.0.113.200", "::ffff:198.51.100.1"):
        assert await status(address) == 200, address
    for address in ("198.51.101.9", "2001:db8::2", "10.0.0.1", "nonsense"):
        assert await status(address) == 403, address
    refused = await me(client, made["token"])
    assert (refused.status_code, refused.json()["code"]) == (403, "address_not_allowed")


async def test_its_last_use_is_noted_behind_the_request(
    client: httpx.AsyncClient, ada: Person, app: FastAPI, database: Database
) -> None:
    made = await make(client, ada)
    assert (made["last_used_at"], made["last_used_address"]) == (None, None)
    usage = identity_of(app).usage

    async def use(address: str) -> dict[str, Any]:
        headers = {**bearer(made["token"]), "X-Forwarded-For": address}
        assert (await client.get("/api/v1/me", headers=headers)).status_code == 200
        await usage.close()
        return (await client.get(TOKENS, headers=ada.headers)).json()["items"][0]

    first = await use("198.51.100.9")
    assert first["last_used_at"] is not None
    assert first["last_used_address"] == "198.51.100.9"
    # Once a minute is enough.
    second = await use("198.51.100.10")
    assert second == first
    usage._noted.clear()
    assert (await use("198.51.100.10"))["last_used_address"] == "198.51.100.10"
    async with database.session() as session:
        kept = (await session.execute(select(PersonalToken))).scalar_one()
    assert kept.last_used_at is not None


async def test_its_last_use_is_written_before_the_process_ends(
    client: httpx.AsyncClient, ada: Person, settings: Settings, database: Database
) -> None:
    made = await make(client, ada)
    other = create_app(settings)
    async with other.router.lifespan_context(other):
        transport = httpx.ASGITransport(app=other)
        async with httpx.AsyncClient(transport=transport, base_url=settings.panel_url) as second:
            assert (await me(second, made["token"])).status_code == 200
    async with database.session() as session:
        kept = (await session.execute(select(PersonalToken))).scalar_one()
    assert kept.last_used_at is not None


async def test_it_makes_no_further_ones_and_proves_nothing(
    client: httpx.AsyncClient, user_factory: UserFactory
) -> None:
    admin = await user_factory(roles=("user", "admin"))
    everything = sorted(personal_scopes())
    token = (await make(client, admin, scopes=everything))["token"]
    for method, path, body in (
        ("GET", TOKENS, None),
        ("POST", TOKENS, {"name": "x", "scopes": ["me:read"]}),
        ("GET", "/api/v1/me/applications", None),
        ("GET", "/api/v1/me/grants", None),
        ("GET", "/api/v1/me/consent", None),
    ):
        answer = await client.request(method, path, json=body, headers=bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_missing"), path
    # Not even the permission of an administrator is missing, and yet the account's security is.
    assert (await client.get("/api/v1/admin/jobs", headers=bearer(token))).status_code == 200
    assert "me:security" not in (await me(client, token)).json()["permissions"]


def personal_scopes() -> frozenset[str]:
    from backend.oauth.scopes import PERSONAL_SCOPES

    return PERSONAL_SCOPES


async def test_it_narrows_its_user_and_adds_nothing(client: httpx.AsyncClient, ada: Person) -> None:
    token = (await make(client, ada, scopes=["admin:jobs", "me:read"]))["token"]
    assert (await me(client, token)).json()["permissions"] == ["me:read"]
    assert (await client.get("/api/v1/admin/jobs", headers=bearer(token))).status_code == 403


async def test_there_is_an_end_to_it(
    client: httpx.AsyncClient, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(personal, "MOST", 3)
    body = {"name": "Nightly", "scopes": ["me:read"]}
    posts = [client.post(TOKENS, json=body, headers=ada.headers) for _ in range(8)]
    statuses = [answer.status_code for answer in await asyncio.gather(*posts)]
    assert sorted(statuses) == [201] * 3 + [409] * 5


async def test_long_expired_ones_are_forgotten(
    client: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    await make(client, ada)
    recent = await make(client, ada)
    async with database.transaction() as session:
        await session.execute(update(PersonalToken).values(expires_at=now() - timedelta(days=31)))
        await session.execute(
            update(PersonalToken)
            .where(PersonalToken.id == recent["id"])
            .values(expires_at=now() - timedelta(days=1))
        )
    async with database.transaction() as session:
        assert await personal.prune(session) == 1
    (left,) = (await client.get(TOKENS, headers=ada.headers)).json()["items"]
    assert left["id"] == recent["id"]
