"""No letter is forgotten: what was held, lost or left lying goes on, and what is too old says so."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from fastapi import FastAPI

from backend.config import use
from backend.database import now
from backend.mail import relay, retention
from backend.mail.delivery import KEPT, MAX_ATTEMPTS
from backend.mail.models import Letter
from tests.mail.conftest import Desk
from tests.support.mailserver import Postman

LONG_AGO = KEPT + timedelta(minutes=1)


async def relayed(desk: Desk) -> list[UUID]:
    return await relay.due(desk.database, desk.transports)


async def test_held_until_there_is_a_server(desk: Desk, postman: Postman) -> None:
    url = desk.settings.smtp_url
    desk.change(smtp_url=None)
    letter_id = await desk.write()
    letter = await desk.send(letter_id)
    assert (letter.state, letter.attempts) == ("held", 0)
    assert letter.content is not None
    assert await relayed(desk) == []

    desk.change(smtp_url=url)
    assert await relayed(desk) == [letter_id]
    assert (await desk.send(letter_id)).state == "sent"
    assert len(postman.delivered) == 1


async def test_too_old_to_be_sent(desk: Desk, postman: Postman) -> None:
    url = desk.settings.smtp_url
    desk.change(smtp_url=None)
    held, queued = await desk.write(), await desk.write()
    await desk.send(held)
    for letter_id in (held, queued):
        await desk.set(letter_id, created_at=now() - LONG_AGO)
    desk.change(smtp_url=url)
    assert await relayed(desk) == []
    for letter_id in (held, queued):
        letter = await desk.send(letter_id)
        assert (letter.state, letter.error_code, letter.content) == ("failed", "too_old", None)
    assert postman.asked == 0


async def test_a_failed_one_is_kept_for_a_day(desk: Desk) -> None:
    letter_id = await desk.write()
    await desk.set(letter_id, state="failed", error_code="put_off")
    await relayed(desk)
    assert (await desk.row(letter_id)).content is not None
    await desk.set(letter_id, created_at=now() - LONG_AGO)
    await relayed(desk)
    letter = await desk.row(letter_id)
    assert (letter.state, letter.error_code, letter.content) == ("failed", "put_off", None)


async def test_the_letter_of_a_killed_worker(desk: Desk, postman: Postman) -> None:
    letter_id = await desk.write()
    await desk.set(letter_id, state="sending", attempts=1, lease_until=now() + timedelta(seconds=30))
    assert await relayed(desk) == []
    await desk.set(letter_id, lease_until=now() - timedelta(seconds=1))
    assert await relayed(desk) == [letter_id]
    letter = await desk.send(letter_id)
    assert (letter.state, letter.attempts) == ("sent", 2)
    assert len(postman.delivered) == 1


async def test_a_letter_that_kills_its_workers_ends(desk: Desk) -> None:
    letter_id = await desk.write()
    past = now() - timedelta(seconds=1)
    await desk.set(letter_id, state="sending", attempts=MAX_ATTEMPTS, lease_until=past)
    assert await relayed(desk) == []
    letter = await desk.row(letter_id)
    assert (letter.state, letter.error_code) == ("failed", "sender_lost")


async def test_what_the_broker_lost_is_published_again(desk: Desk) -> None:
    letter_id = await desk.write()
    # Published with its commit, so the broker may still have it.
    assert await relayed(desk) == []
    await desk.set(
        letter_id, published_at=now() - timedelta(seconds=11), due_at=now() - timedelta(seconds=11)
    )
    assert await relayed(desk) == [letter_id]
    assert await relayed(desk) == []
    await desk.set(letter_id, published_at=None)
    assert await relayed(desk) == [letter_id]
    await desk.set(letter_id, published_at=None, due_at=now() + timedelta(minutes=1))
    assert await relayed(desk) == []


async def test_retention(app: FastAPI, desk: Desk) -> None:
    use(desk.settings)
    days = desk.settings.letter_retention_days
    old, fresh, open_one = await desk.write(), await desk.write(), await desk.write()
    for letter_id in (old, fresh):
        await desk.send(letter_id)
    for letter_id in (old, open_one):
        await desk.set(letter_id, created_at=now() - timedelta(days=days, minutes=1))
    await desk.set(fresh, created_at=now() - timedelta(days=days, minutes=-1))
    async with desk.database.transaction() as session:
        assert await retention.prune(session) == 1
    async with desk.database.transaction() as session:
        assert await session.get(Letter, old) is None
        assert await retention.prune(session) == 0
    assert (await desk.row(fresh)).state == "sent"
    # The relay ends it first.
    assert (await desk.row(open_one)).state == "queued"
