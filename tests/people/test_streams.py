"""A stream outlasts many changes: it tells nothing more once whoever opened it may not see it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from backend.database import Database
from tests.api.operations import order_body
from tests.people.conftest import Speaker
from tests.support.people import Person, UserFactory

Ending = Callable[[], Awaitable[object]]


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory(name="Ada")


@pytest.fixture
async def job(ask: Speaker, ada: Person) -> str:
    """Queued, with nobody to run it."""
    return str((await ask.ok(ada, "POST", "/orders", order_body()))["job_id"])


async def ended(ask: Speaker, who: Person | str, job: str, by: Ending) -> str:
    """What a stream told that somebody had open when something happened."""
    stream: asyncio.Task[httpx.Response] = asyncio.create_task(ask(who, "GET", f"/jobs/{job}/events"))
    await asyncio.sleep(0.3)
    assert not stream.done()
    await by()
    return (await asyncio.wait_for(stream, 15)).text


async def test_of_a_member_who_is_removed(
    ask: Speaker, ada: Person, job: str, user_factory: UserFactory, database: Database
) -> None:
    bob = await user_factory()
    await ask.join(ada.project_id, bob, "viewer", database)
    there = f"/projects/{ada.project_id}/members/{bob.id}"
    told = await ended(ask, bob, job, lambda: ask.ok(ada, "DELETE", there))
    assert told.count("event: job") == 1
    assert "event: end" not in told


async def test_of_somebody_who_is_blocked(
    ask: Speaker, ada: Person, job: str, user_factory: UserFactory
) -> None:
    chief = await user_factory(roles=("user", "admin"))
    body = {"active": False, "reason": "Letters that nobody asked for"}
    told = await ended(ask, ada, job, lambda: ask.ok(chief, "PATCH", f"/admin/users/{ada.id}", body))
    assert "event: end" not in told


async def test_of_a_supporter_who_leaves(
    ask: Speaker, ada: Person, job: str, user_factory: UserFactory
) -> None:
    helper = await user_factory(roles=("user", "support"))
    there = f"/admin/users/{ada.id}/view-as"
    started = await ask.ok(helper, "POST", there, {"reason": "Ticket 204"})
    told = await ended(ask, started["access_token"], job, lambda: ask.ok(helper, "DELETE", there))
    assert "event: end" not in told
