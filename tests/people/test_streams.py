"""A stream outlasts many changes: it tells nothing more once whoever opened it may not see it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI

from backend.config import Settings
from backend.database import Database
from tests.api.operations import order_body
from tests.people.conftest import Speaker
from tests.support.people import Person, UserFactory
from tests.support.streams import Heard

Ending = Callable[[], Awaitable[object]]
Ended = Callable[[Person | str, str, Ending], Awaitable[str]]


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory(name="Ada")


@pytest.fixture
async def job(ask: Speaker, ada: Person) -> str:
    """Queued, with nobody to run it."""
    return str((await ask.ok(ada, "POST", "/orders", order_body()))["job_id"])


@pytest.fixture
def ended(app: FastAPI, settings: Settings) -> Ended:
    """What a stream told that somebody had open when something happened."""

    async def told(who: Person | str, job: str, by: Ending) -> str:
        heard = Heard(app)
        transport = httpx.ASGITransport(heard)
        async with httpx.AsyncClient(transport=transport, base_url=settings.panel_url) as client:
            stream = asyncio.create_task(Speaker(client)(who, "GET", f"/jobs/{job}/events"))
            await asyncio.wait_for(heard.something.wait(), 30)
            assert not stream.done()
            await by()
            return (await asyncio.wait_for(stream, 60)).text

    return told


async def test_of_a_member_who_is_removed(
    ask: Speaker, ended: Ended, ada: Person, job: str, user_factory: UserFactory, database: Database
) -> None:
    bob = await user_factory()
    await ask.join(ada.project_id, bob, "viewer", database)
    there = f"/projects/{ada.project_id}/members/{bob.id}"
    told = await ended(bob, job, lambda: ask.ok(ada, "DELETE", there))
    assert told.count("event: job") == 1
    assert "event: end" not in told


async def test_of_somebody_who_is_blocked(
    ask: Speaker, ended: Ended, ada: Person, job: str, user_factory: UserFactory
) -> None:
    chief = await user_factory(roles=("user", "admin"))
    body = {"active": False, "reason": "Letters that nobody asked for"}
    told = await ended(ada, job, lambda: ask.ok(chief, "PATCH", f"/admin/users/{ada.id}", body))
    assert "event: end" not in told


async def test_of_a_supporter_who_leaves(
    ask: Speaker, ended: Ended, ada: Person, job: str, user_factory: UserFactory
) -> None:
    helper = await user_factory(roles=("user", "support"))
    there = f"/admin/users/{ada.id}/view-as"
    started = await ask.ok(helper, "POST", there, {"reason": "Ticket 204"})
    told = await ended(started["access_token"], job, lambda: ask.ok(helper, "DELETE", there))
    assert "event: end" not in told
