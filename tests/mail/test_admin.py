"""Letters as administrators see them, and what they may do about them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from backend.audit.models import AuditEvent
from backend.config import Settings
from backend.database import Database, now
from backend.mail.catalogue import TEMPLATES
from backend.mail.delivery import KEPT
from tests.mail.conftest import Desk
from tests.support.mailbox import Mailbox
from tests.support.people import Person, UserFactory

LETTERS = "/api/v1/admin/letters"
TEMPLATES_PATH = "/api/v1/admin/letter-templates"
SECRET = "a-name-that-only-the-letter-knows"


@pytest.fixture
async def administrator(user_factory: UserFactory) -> Person:
    return await user_factory(name="Grace", roles=("user", "admin"))


@pytest.fixture
def ask(client: httpx.AsyncClient, administrator: Person) -> Any:
    async def ask(method: str, path: str, **params: Any) -> httpx.Response:
        return await client.request(method, path, params=params, headers=administrator.headers)

    return ask


async def ids(ask: Any, **params: Any) -> list[str]:
    answer = await ask("GET", LETTERS, **params)
    assert answer.status_code == 200, answer.text
    return [letter["id"] for letter in answer.json()["items"]]


async def recorded(database: Database) -> list[tuple[str, UUID | None, str | None]]:
    """What the trail says of letters."""
    async with database.transaction() as session:
        about = select(AuditEvent).where(AuditEvent.object_type == "letter")
        events = (await session.execute(about)).scalars()
        return [(one.action, one.user_id, one.object_id) for one in events]


async def test_list_and_filters(ask: Any, desk: Desk) -> None:
    first = str(await desk.write(to="ada@example.com"))
    second = str(await desk.write_sms(to="+79991234567"))
    third = str(await desk.write(to="grace@example.org"))
    await desk.send(UUID(first))

    assert await ids(ask) == [third, second, first]
    assert await ids(ask, sort="created_at") == [first, second, third]
    assert await ids(ask, state="sent") == [first]
    assert await ids(ask, state="held") == []
    assert await ids(ask, channel="sms") == [second]
    assert await ids(ask, template="test") == [third, first]
    assert await ids(ask, recipient="@EXAMPLE.com") == [first]
    assert await ids(ask, recipient="999123") == [second]
    assert await ids(ask, recipient="%") == []
    page = (await ask("GET", LETTERS, size=2)).json()
    assert [one["id"] for one in page["items"]] == [third, second]
    assert await ids(ask, size=2, cursor=page["next_page"]) == [first]


async def test_one_letter_and_no_secret(ask: Any, desk: Desk) -> None:
    letter_id = await desk.write(name=SECRET)
    answer = await ask("GET", f"{LETTERS}/{letter_id}")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["state"], body["subject"], body["retryable"]) == ("queued", None, False)
    assert "content" not in body
    assert SECRET not in answer.text
    await desk.send(letter_id)
    body = (await ask("GET", f"{LETTERS}/{letter_id}")).json()
    assert (body["state"], body["subject"], body["attempts"]) == ("sent", "Letters from Gavan arrive", 1)
    missing = await ask("GET", f"{LETTERS}/{UUID(int=7)}")
    assert missing.status_code == 404


async def test_retry(ask: Any, desk: Desk, administrator: Person) -> None:
    letter_id = await desk.write()
    path = f"{LETTERS}/{letter_id}/retry"
    refused = await ask("POST", path)
    assert (refused.status_code, refused.json()["code"]) == (409, "letter_not_failed")

    await desk.set(letter_id, state="failed", error_code="put_off", attempts=8)
    assert (await ask("GET", f"{LETTERS}/{letter_id}")).json()["retryable"] is True
    accepted = await ask("POST", path)
    assert (accepted.status_code, accepted.json()["state"]) == (200, "queued")
    assert (await desk.send(letter_id)).state == "sent"
    async with desk.database.transaction() as session:
        events = (
            await session.execute(select(AuditEvent).where(AuditEvent.object_type == "letter"))
        ).scalars()
        recorded = [(one.action, one.user_id, one.object_id) for one in events]
    assert recorded == [("letter.retried", administrator.id, str(letter_id))]


@pytest.mark.parametrize("values", [{"content": None}, {"created_at": now() - KEPT - timedelta(minutes=1)}])
async def test_nothing_left_to_send(ask: Any, desk: Desk, values: dict[str, Any]) -> None:
    letter_id = await desk.write()
    await desk.set(letter_id, state="failed", error_code="refused", **values)
    refused = await ask("POST", f"{LETTERS}/{letter_id}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "letter_erased")
    assert "ask for a new one" in refused.json()["detail"]
    assert (await desk.row(letter_id)).state == "failed"


async def test_a_letter_to_myself(
    ask: Any, administrator: Person, mailbox: Mailbox, database: Database
) -> None:
    answer = await ask("POST", f"{LETTERS}/test")
    assert answer.status_code == 201
    assert await recorded(database) == [("letter.tested", administrator.id, answer.json()["id"])]
    assert answer.json()["recipient"] == administrator.email
    assert answer.headers["location"] == f"{LETTERS}/{answer.json()['id']}"
    letter = await mailbox.letter(to=administrator.email, template="test")
    assert "Hello, Grace!" in letter.text
    assert letter.links == ["http://localhost:8080/admin/letters"]
    assert "Grace" in letter.html
    assert (await ask("GET", answer.headers["location"])).json()["state"] == "sent"


async def test_templates(ask: Any) -> None:
    listed = (await ask("GET", TEMPLATES_PATH)).json()["items"]
    assert [one["name"] for one in listed] == list(TEMPLATES)
    for one in listed:
        for locale in ("en", "ru"):
            answer = await ask("GET", f"{TEMPLATES_PATH}/{one['name']}", locale=locale)
            assert answer.status_code == 200
            shown = answer.json()
            assert (shown["locale"], shown["channel"]) == (locale, one["channel"])
            assert shown["text"]
            assert (shown["html"] is None) == (shown["subject"] is None) == (one["channel"] == "sms")
    assert (await ask("GET", f"{TEMPLATES_PATH}/nothing")).status_code == 404
    for name in ("..%2fbase", "base.html", "Test"):
        assert (await ask("GET", f"{TEMPLATES_PATH}/{name}")).status_code in (404, 422)
    assert (await ask("GET", f"{TEMPLATES_PATH}/test", locale="de")).status_code == 422


async def test_others_see_nothing(client: httpx.AsyncClient, user_factory: UserFactory) -> None:
    for roles in (("user",), ("user", "support")):
        person = await user_factory(roles=roles)
        for path in (LETTERS, TEMPLATES_PATH):
            assert (await client.get(path, headers=person.headers)).status_code == 403


async def test_the_overview_says_that_letters_wait(ask: Any, desk: Desk, settings: Settings) -> None:
    assert settings.smtp_url is None
    desk.change(smtp_url=None)
    await desk.send(await desk.write())
    shown = (await ask("GET", "/api/v1/admin/overview")).json()
    assert shown["delivery"] == {"email": "missing", "sms": "console"}
    assert shown["payable"] is settings.payable()
    assert shown["letters"] == {"held": 1}
    assert (await ask("GET", "/api/v1/ready")).status_code == 200
