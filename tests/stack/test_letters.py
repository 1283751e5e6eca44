"""A letter's way through the whole installation, whatever is killed on it."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest

from tests.support.customer import Customer
from tests.support.mailbox import Mailbox
from tests.support.mailserver import MailServer, Postman
from tests.support.stack import Stack, until


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[Customer]:
    made = json.loads(stack.manage("create-admin", "--email", f"{uuid.uuid4().hex}@example.com"))
    somebody = await stack.customer(made["email"], made["password"])
    yield somebody
    await somebody.close()


@pytest.fixture
def postman(mail_server: MailServer) -> Iterator[Postman]:
    postman = mail_server.postman
    yield postman
    for event in (postman.held, postman.held_before):
        if event is not None:
            event.set()
    postman.held = postman.held_before = None


async def written(admin: Customer) -> UUID:
    answer = await admin.ask("POST", "/admin/letters/test")
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


async def sent(admin: Customer, letter_id: UUID, seconds: float = 40) -> dict[str, object]:
    async def check() -> dict[str, object] | None:
        letter = await admin.get(f"/admin/letters/{letter_id}")
        return letter if letter["state"] == "sent" else None

    found: dict[str, object] = await until(check, seconds, f"letter {letter_id} is sent")
    return found


def copies(postman: Postman, letter_id: UUID) -> int:
    return sum(str(letter_id) in one.message["Message-ID"] for one in postman.delivered)


async def test_from_the_request_to_the_mailbox(
    stack: Stack, admin: Customer, mailbox: Mailbox, postman: Postman
) -> None:
    letter_id = await written(admin)
    letter = await mailbox.letter(to=admin.email, template="test")
    assert letter.links == [f"{stack.env['PANEL_URL']}/admin/letters"]
    shown = await sent(admin, letter_id)
    assert shown["attempts"] == 1
    assert copies(postman, letter_id) == 1
    (row,) = await stack.rows("SELECT content FROM letters WHERE id = $1", letter_id)
    assert row["content"] is None
    overview = await admin.get("/admin/overview")
    assert overview["delivery"] == {"email": "configured", "sms": "configured"}


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_the_worker_is_killed_while_it_sends(
    stack: Stack, admin: Customer, postman: Postman, moment: str
) -> None:
    """Before the server took the letter: it comes once. After: once more, under the same id."""
    gate, seen = threading.Event(), (postman.greeted, postman.asked)
    if moment == "before":
        postman.held_before = gate
    else:
        postman.held = gate
    letter_id = await written(admin)
    place = 0 if moment == "before" else 1
    await until(lambda: (postman.greeted, postman.asked)[place] > seen[place], 20, "it is at the server")
    await stack.kill("workers")
    postman.held = postman.held_before = None
    gate.set()

    shown = await sent(admin, letter_id)
    assert shown["attempts"] == 2
    assert copies(postman, letter_id) == (1 if moment == "before" else 2)


async def test_redis_is_away(stack: Stack, admin: Customer, postman: Postman) -> None:
    """All that was written comes, and comes once, with a broker that lost what it had."""
    letters = [await written(admin) for _ in range(4)]
    await stack.kill("redis")
    letters += [await written(admin) for _ in range(4)]
    await stack.healthy()
    letters += [await written(admin) for _ in range(4)]
    await asyncio.gather(*(sent(admin, letter_id) for letter_id in letters))
    assert [copies(postman, letter_id) for letter_id in letters] == [1] * len(letters)
