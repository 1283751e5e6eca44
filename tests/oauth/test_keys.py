"""Rotation of the keys that sign: two live, what was signed stays good, and every process knows at once."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from backend import manage
from backend.config import Settings
from backend.database import Database, now
from backend.main import create_app
from backend.oauth import keys
from backend.oauth.models import SigningKey
from tests.identity.oauth import me, parts_of, refresh
from tests.support.people import Person, UserFactory


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory()


@pytest.fixture
async def second(app: FastAPI, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Another process of the same installation."""
    other = create_app(settings)
    async with other.router.lifespan_context(other):
        async with asyncio.timeout(30):
            while not other.state.parts.notices.connected:
                await asyncio.sleep(0.005)
        transport = httpx.ASGITransport(app=other, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=settings.panel_url) as client:
            yield client


async def age(database: Database, by: timedelta) -> None:
    """As if every key had been made, and retired, earlier."""
    async with database.transaction() as session:
        await session.execute(
            update(SigningKey).values(
                created_at=SigningKey.created_at - by, retired_at=SigningKey.retired_at - by
            )
        )


async def published(client: httpx.AsyncClient) -> list[str]:
    return [key["kid"] for key in (await client.get("/oauth/jwks")).json()["keys"]]


async def signer(client: httpx.AsyncClient, person: Person) -> str:
    """The id of the key that signs now."""
    answer = await refresh(client, person.refresh_token)
    return str(parts_of(answer.json()["access_token"])[0]["kid"])


async def test_the_new_one_is_announced_before_it_signs(
    client: httpx.AsyncClient, second: httpx.AsyncClient, ada: Person, database: Database, settings: Settings
) -> None:
    (old,) = await published(client)
    assert await published(second) == [old]
    await age(database, timedelta(days=10))
    async with database.transaction() as session:
        new = await keys.rotate(session, settings)
    assert new is not None
    async with asyncio.timeout(30):
        while set(await published(second)) != {old, new} or set(await published(client)) != {old, new}:
            await asyncio.sleep(0.01)
    assert await signer(second, ada) == old
    # Ten minutes later.
    await age(database, keys.ANNOUNCED)
    async with database.transaction() as session:
        await keys.announce(session, keys.EVERYONE)

    async def signs_new(which: httpx.AsyncClient) -> bool:
        return await signer(which, ada) == new

    async with asyncio.timeout(30):
        while not (await signs_new(client) and await signs_new(second)):
            await asyncio.sleep(0.01)
    # What the old one signed is good until it expires, everywhere.
    for which in (client, second):
        assert (await me(which, ada.access_token)).status_code == 200
        assert set(await published(which)) == {old, new}
    await age(database, keys.RETIRED_KEPT)
    async with database.transaction() as session:
        await keys.announce(session, keys.EVERYONE)
    async with asyncio.timeout(30):
        while await published(client) != [new]:
            await asyncio.sleep(0.01)


async def test_by_age(client: httpx.AsyncClient, ada: Person, database: Database, settings: Settings) -> None:
    async def rotated() -> bool:
        async with database.transaction() as session:
            return await keys.rotate_by_age(session, settings) is not None

    assert not await rotated()
    await age(database, timedelta(days=89))
    assert not await rotated()
    await age(database, timedelta(days=2))
    assert await rotated()
    # Once, however often it is asked for.
    assert not await rotated()
    await age(database, timedelta(days=91))
    assert await rotated()
    async with database.session() as session:
        kept = (await session.execute(select(SigningKey))).scalars().all()
    # The first retired long ago and is gone, private part and all.
    assert len(kept) == 2


async def test_two_rotations_at_once_leave_order(
    client: httpx.AsyncClient, ada: Person, database: Database, settings: Settings
) -> None:
    await age(database, timedelta(days=100))

    async def rotate() -> str | None:
        async with database.transaction() as session:
            return await keys.rotate_by_age(session, settings)

    done = await asyncio.gather(*(rotate() for _ in range(5)))
    assert len([kid for kid in done if kid is not None]) == 1


async def test_a_stolen_key_is_worth_nothing_at_once(
    client: httpx.AsyncClient, second: httpx.AsyncClient, ada: Person, database: Database, settings: Settings
) -> None:
    assert (await me(second, ada.access_token)).status_code == 200
    async with database.transaction() as session:
        new = await keys.rotate(session, settings, compromised=True)

    async def refused(which: httpx.AsyncClient) -> bool:
        return (await me(which, ada.access_token)).status_code == 401

    async with asyncio.timeout(30):
        while not (await refused(client) and await refused(second)):
            await asyncio.sleep(0.01)
    assert await published(client) == [new]
    body = (await refresh(client, ada.refresh_token)).json()
    assert (await me(client, body["access_token"])).status_code == 200


async def test_a_key_that_retires_in_the_future_signs_until_then(
    client: httpx.AsyncClient, ada: Person, database: Database, settings: Settings
) -> None:
    (old,) = await published(client)
    async with database.transaction() as session:
        await session.execute(update(SigningKey).values(retired_at=now() + timedelta(minutes=5)))
        await keys.announce(session, keys.EVERYONE)
    assert await signer(client, ada) == old


async def test_by_the_command(
    client: httpx.AsyncClient, ada: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    (old,) = await published(client)
    assert await asyncio.to_thread(manage.rotate_keys, argparse.Namespace(compromised=False)) == 0
    new = json.loads(capsys.readouterr().out)["kid"]
    async with asyncio.timeout(30):
        while set(await published(client)) != {old, new}:
            await asyncio.sleep(0.01)
