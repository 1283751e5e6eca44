"""The refresh grant: rotation, the grace for races, and what happens when a token is used twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select, update

from backend.database import Database, now
from backend.oauth import sessions
from backend.oauth.models import Ending, OAuthSession, RefreshToken
from backend.users.models import User
from tests.identity.oauth import me, parts_of, refresh
from tests.support.people import Person, UserFactory


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory()


async def state(database: Database) -> OAuthSession:
    async with database.session() as session:
        return (await session.execute(select(OAuthSession))).scalar_one()


async def let_grace_pass(database: Database) -> None:
    """As if everything had happened a little earlier."""
    earlier = RefreshToken.used_at - sessions.GRACE - timedelta(seconds=1)
    async with database.transaction() as session:
        await session.execute(
            update(RefreshToken).where(RefreshToken.used_at.is_not(None)).values(used_at=earlier)
        )


async def test_a_token_is_exchanged_for_a_new_pair(client: httpx.AsyncClient, ada: Person) -> None:
    answer = await refresh(client, ada.refresh_token)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["refresh_token"] != ada.refresh_token
    assert parts_of(body["access_token"])[1]["sid"] == str(ada.session_id)
    assert (await me(client, body["access_token"])).status_code == 200
    # The session goes on: what was issued before is good until it expires.
    assert (await me(client, ada.access_token)).status_code == 200


async def test_a_chain_of_them(client: httpx.AsyncClient, ada: Person, database: Database) -> None:
    token = ada.refresh_token
    for _ in range(5):
        token = (await refresh(client, token)).json()["refresh_token"]
        await let_grace_pass(database)
    async with database.session() as session:
        unused = select(func.count()).where(RefreshToken.used_at.is_(None))
        assert (await session.execute(unused)).scalar_one() == 1
        assert (await session.execute(select(func.count()).select_from(RefreshToken))).scalar_one() == 6


async def test_a_second_use_ends_the_session_at_once(
    client: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    successor = (await refresh(client, ada.refresh_token)).json()
    assert (await me(client, successor["access_token"])).status_code == 200
    await let_grace_pass(database)
    answer = await refresh(client, ada.refresh_token)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    # Committed although the answer was an error.
    kept = await state(database)
    assert kept.revoked_at is not None
    assert kept.revoked_reason == Ending.TOKEN_REUSED
    assert (await me(client, successor["access_token"])).json()["code"] == "session_ended"
    assert (await me(client, ada.access_token)).status_code == 401
    assert (await refresh(client, successor["refresh_token"])).json()["error"] == "invalid_grant"


async def test_within_the_grace_a_second_use_gets_a_sibling(
    client: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    first = (await refresh(client, ada.refresh_token)).json()["refresh_token"]
    second = (await refresh(client, ada.refresh_token)).json()["refresh_token"]
    assert first != second
    # One of the two goes on; the other may not grow a branch of its own beside it.
    assert (await refresh(client, second)).status_code == 200
    await let_grace_pass(database)
    assert (await refresh(client, first)).json()["error"] == "invalid_grant"
    assert (await state(database)).revoked_reason == Ending.TOKEN_REUSED


async def test_a_hundred_at_once_leave_one_live_session(
    client: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    answers = await asyncio.gather(*(refresh(client, ada.refresh_token) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert (await state(database)).revoked_at is None
    last = answers[-1].json()
    assert (await me(client, last["access_token"])).status_code == 200
    assert (await refresh(client, last["refresh_token"])).status_code == 200


async def test_a_hundred_at_once_after_the_grace_end_it_once(
    client: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    await refresh(client, ada.refresh_token)
    await let_grace_pass(database)
    answers = await asyncio.gather(*(refresh(client, ada.refresh_token) for _ in range(100)))
    assert {answer.json()["error"] for answer in answers} == {"invalid_grant"}
    assert (await me(client, ada.access_token)).status_code == 401


async def test_another_client_cannot_use_it(
    client: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    answer = await refresh(client, ada.refresh_token, client_id="panel")
    assert answer.json()["error"] == "invalid_grant"
    assert (await state(database)).revoked_at is None
    assert (await refresh(client, ada.refresh_token)).status_code == 200


async def test_it_expires_and_each_use_prolongs(
    client: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    token = (await refresh(client, ada.refresh_token)).json()["refresh_token"]
    assert (await state(database)).expires_at > now() + timedelta(days=29)
    async with database.transaction() as session:
        await session.execute(update(RefreshToken).values(expires_at=now()))
    assert (await refresh(client, token)).json()["error"] == "invalid_grant"
    assert (await state(database)).revoked_at is None


async def test_a_closed_account_cannot_refresh(
    client: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    async with database.transaction() as session:
        await session.execute(update(User).values(is_active=False))
    assert (await refresh(client, ada.refresh_token)).json()["error"] == "invalid_grant"


async def test_a_narrower_scope_for_once(client: httpx.AsyncClient, ada: Person) -> None:
    narrow = (await refresh(client, ada.refresh_token, scope="me:read jobs:read")).json()
    assert (await me(client, narrow["access_token"])).json()["permissions"] == ["jobs:read", "me:read"]
    wide = (await refresh(client, narrow["refresh_token"])).json()
    assert wide["scope"] == "full"
    assert len((await me(client, wide["access_token"])).json()["permissions"]) > 5


async def test_a_scope_cannot_widen(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    eve = await user_factory(scope="me:read")
    for scope in ("full", "me:read me:write", "services:read", "nonsense"):
        assert (await refresh(client, eve.refresh_token, scope=scope)).json()["error"] == "invalid_scope"
    assert (await refresh(client, eve.refresh_token)).json()["scope"] == "me:read"


async def test_expired_sessions_are_forgotten(
    client: httpx.AsyncClient, ada: Person, user_factory: UserFactory, database: Database
) -> None:
    await user_factory()
    async with database.transaction() as session:
        await session.execute(
            update(OAuthSession).where(OAuthSession.id == ada.session_id).values(expires_at=now())
        )
    async with database.transaction() as session:
        assert await sessions.prune(session) == 1
    async with database.session() as session:
        assert (await session.execute(select(func.count()).select_from(RefreshToken))).scalar_one() == 1
