"""One letter and a mail server: what arrives, what is tried again, what is given up, and what is left."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope
from loguru import logger
from pydantic import SecretStr

from backend.database import now
from backend.jobs.publisher import Publisher
from backend.mail import outbox, relay
from backend.mail.delivery import BACKOFF, MAX_ATTEMPTS
from backend.mail.models import Letter
from tests.mail.conftest import Desk
from tests.support.mailserver import MailServer, Postman

SECRET = "a-name-that-only-the-letter-knows"


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Everything that is logged."""
    found: list[str] = []
    sink = logger.add(found.append, level="TRACE", format="{message} {exception}")
    yield found
    logger.remove(sink)


def waits(letter: Letter, code: str) -> bool:
    """It stays queued, whole, for the time that its attempts deserve."""
    in_time = letter.due_at - now() > BACKOFF[letter.attempts - 1] - timedelta(seconds=5)
    return (letter.state, letter.error_code) == ("queued", code) and letter.content is not None and in_time


async def test_arrives(desk: Desk, postman: Postman) -> None:
    letter_id = await desk.write(locale="ru", name="Ада & <b>Ко</b>")
    letter = await desk.send(letter_id)

    assert (letter.state, letter.attempts, letter.error_code, letter.content) == ("sent", 1, None, None)
    assert letter.sent_at is not None
    (delivered,) = postman.delivered
    assert delivered.sender == "no-reply@gavan.example"
    assert delivered.recipients == ("ada@example.com",)
    message = delivered.message
    assert message["To"] == "ada@example.com"
    assert message["From"] == "Gavan <no-reply@gavan.example>"
    assert message["Subject"] == letter.subject == "Письма от Gavan доходят"
    assert message["Message-ID"] == letter.message_id == f"<{letter_id}@gavan.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] is not None
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert "Здравствуйте, Ада & <b>Ко</b>!" in text.get_content()
    assert "Ада &amp; &lt;b&gt;Ко&lt;/b&gt;" in html.get_content()
    assert html.get_content_type() == "text/html"
    # Sent once, however often the broker delivers its id.
    await desk.send(letter_id)
    assert postman.asked == 1


async def test_a_long_subject_keeps_its_spaces(desk: Desk, postman: Postman) -> None:
    """The standard library drops one where it breaks a line between words of ASCII and others."""
    for inviter in ("<b>Anna</b> Bell", "Anna", "Анна Белл", "Anna van der Berg and her whole crew"):
        async with desk.database.transaction() as session:
            letter_id = await outbox.write(
                session,
                "project_invitation",
                to="ada@example.com",
                locale="ru",
                inviter=inviter,
                inviter_email="anna@example.com",
                project="Harbour & Co",
                role="viewer",
                url="https://panel.example.com/invitation",
                days=7,
            )
        letter = await desk.send(letter_id)
        assert postman.delivered[-1].message["Subject"] == letter.subject


async def test_nothing_secret_leaves_the_row(desk: Desk, postman: Postman, lines: list[str]) -> None:
    published: list[tuple[Any, ...]] = []
    publisher = Publisher(lambda *given: published.append(given))
    async with desk.database.transaction() as session:
        letter_id = await outbox.write(session, "test", to="ada@example.com", locale="en", name=SECRET)
        assert published == []
    publisher.publish_soon(session)
    await asyncio.to_thread(publisher._thread.shutdown, wait=True)
    assert published == [("letters.send", letter_id, "email")]

    written = await desk.row(letter_id)
    assert SECRET not in str(vars(written))
    postman.answers["ada@example.com"] = [f"451 4.3.0 {SECRET} is greylisted", "554 5.7.1 Spam"]
    await desk.send(letter_id)
    await desk.due_now(letter_id)
    await desk.send(letter_id)
    assert any(str(letter_id) in line for line in lines)
    assert SECRET not in "".join(lines)
    assert "ada@example.com" not in "".join(lines)


async def test_no_commit_no_letter(desk: Desk) -> None:
    async with desk.database.session() as session:
        letter_id = await outbox.write(session, "test", to="ada@example.com", locale="en", name="A")
        await session.rollback()
    async with desk.database.transaction() as session:
        assert await session.get(Letter, letter_id) is None


async def test_put_off_then_taken(desk: Desk, postman: Postman) -> None:
    postman.answers["ada@example.com"] = ["451 4.7.1 Greylisted,\r try again", "421 4.3.2 Busy"]
    letter_id = await desk.write()
    letter = await desk.send(letter_id)
    assert waits(letter, "put_off")
    assert letter.error == "451 4.7.1 Greylisted, try again"
    # Not before its time.
    assert (await desk.send(letter_id)).attempts == 1
    await desk.due_now(letter_id)
    assert waits(await desk.send(letter_id), "put_off")
    await desk.due_now(letter_id)
    letter = await desk.send(letter_id)
    assert (letter.state, letter.attempts, letter.error_code, letter.error) == ("sent", 3, None, None)
    assert len(postman.delivered) == 1


@pytest.mark.parametrize("answer", ["550 5.1.1 No such mailbox", "554 5.7.1 Spam", "552 5.3.4 Too big"])
async def test_refused_for_good(desk: Desk, postman: Postman, answer: str) -> None:
    postman.answers["ada@example.com"] = [answer]
    letter = await desk.send(await desk.write())
    assert (letter.state, letter.error_code, letter.error) == ("failed", "refused", answer)
    assert letter.content is None


@pytest.mark.parametrize(("answer", "state"), [("550 5.1.1 Nobody", "failed"), ("450 4.2.1 Later", "queued")])
async def test_refused_recipient(desk: Desk, answer: str, state: str) -> None:
    class Doorman(Postman):
        async def handle_RCPT(self, server: SMTP, session: Any, envelope: Envelope, *_: Any) -> str:
            return answer

    with MailServer(Doorman()) as server:
        desk.change(smtp_url=SecretStr(server.url))
        letter = await desk.send(await desk.write())
    assert (letter.state, letter.error) == (state, answer)


async def test_a_refused_sender_is_not_the_fault_of_the_letter(desk: Desk) -> None:
    class Doorman(Postman):
        async def handle_MAIL(self, server: SMTP, session: Any, envelope: Envelope, *_: Any) -> str:
            return "553 5.7.1 Not your address"

    with MailServer(Doorman()) as server:
        desk.change(smtp_url=SecretStr(server.url))
        letter = await desk.send(await desk.write())
    assert waits(letter, "not_admitted")


async def test_given_up_after_many_tries(desk: Desk, postman: Postman) -> None:
    postman.answers["ada@example.com"] = ["451 Later"] * MAX_ATTEMPTS
    letter_id = await desk.write()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        letter = await desk.send(letter_id)
        assert letter.attempts == attempt
        assert letter.state == ("queued" if attempt < MAX_ATTEMPTS else "failed")
        await desk.due_now(letter_id)
    # The operator may try it again.
    assert letter.content is not None
    await desk.send(letter_id)
    assert postman.asked == MAX_ATTEMPTS


async def test_a_server_that_hangs(desk: Desk, postman: Postman) -> None:
    desk.change(letter_lease_seconds=2.0)
    postman.held = threading.Event()
    letter_id, other = await desk.write(), await desk.write()
    try:
        async with asyncio.timeout(30):
            letter = await desk.send(letter_id)
    finally:
        postman.held.set()
    assert waits(letter, "timed_out")
    # Meanwhile nobody else waits for it in vain.
    assert (await desk.row(other)).due_at > now() + timedelta(seconds=5)
    assert (await desk.row(other)).attempts == 0


async def test_a_server_that_does_not_say_goodbye(desk: Desk) -> None:
    class Speechless(Postman):
        async def handle_QUIT(self, server: SMTP, session: Any, envelope: Envelope) -> str:
            await asyncio.sleep(30)
            return "221 Bye"

    with MailServer(Speechless()) as server:
        desk.change(smtp_url=SecretStr(server.url))
        letter = await desk.send(await desk.write())
    assert letter.state == "sent"


async def test_nobody_there(desk: Desk, mail: MailServer) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        desk.change(smtp_url=SecretStr(f"smtp://127.0.0.1:{closed.getsockname()[1]}"))
        letter_id, other = await desk.write(), await desk.write()
        assert waits(await desk.send(letter_id), "not_reached")
        assert (await desk.row(other)).due_at > now() + timedelta(seconds=5)
    desk.change(smtp_url=SecretStr(mail.url))
    for one in (letter_id, other):
        await desk.due_now(one)
        assert (await desk.send(one)).state == "sent"


async def test_two_senders_send_once(desk: Desk, postman: Postman) -> None:
    letter_ids = [await desk.write() for _ in range(5)]
    await asyncio.gather(*(desk.send(letter_id) for letter_id in letter_ids for _ in range(4)))
    assert postman.asked == len(letter_ids)
    assert {(await desk.row(letter_id)).state for letter_id in letter_ids} == {"sent"}


async def test_a_sender_that_only_seemed_dead_writes_nothing(desk: Desk, postman: Postman) -> None:
    """The server took the letter from both, and can tell: it bears the same id."""
    postman.held = threading.Event()
    letter_id = await desk.write()
    slow = asyncio.create_task(desk.send(letter_id))
    while postman.asked < 1:
        await asyncio.sleep(0.01)
    await desk.set(letter_id, lease_until=now() - timedelta(seconds=1))
    assert await relay.due(desk.database, desk.transports) == [letter_id]
    other = asyncio.create_task(desk.send(letter_id))
    while postman.asked < 2:
        await asyncio.sleep(0.01)
    await desk.set(letter_id, error="of the second")
    postman.held.set()
    await asyncio.gather(slow, other)
    letter = await desk.row(letter_id)
    assert (letter.state, letter.attempts, letter.content) == ("sent", 2, None)
    assert len({one.message["Message-ID"] for one in postman.delivered}) == 1


async def test_sealed_with_another_key(desk: Desk) -> None:
    letter_id, other = await desk.write(), await desk.write()
    await desk.set(letter_id, content=(await desk.row(other)).content)
    letter = await desk.send(letter_id)
    assert (letter.state, letter.error_code, letter.content) == ("failed", "not_readable", None)


async def test_a_template_that_is_gone(desk: Desk) -> None:
    letter_id = await desk.write()
    await desk.set(letter_id, template="of-yesterday")
    letter = await desk.send(letter_id)
    # A deployment may bring it back.
    assert waits(letter, "not_rendered")


@pytest.mark.parametrize(
    "to",
    [
        *("ada@example.com\r\nBcc: eve@example.com", "ada@example.com\n"),
        *("ada@example.com, eve@example.com", "ada@example.com eve@example.com", "<ada@example.com>"),
        *("ada", "@", "@b.c", "a@", "a@b@c.d", "a b@c.d", "a@[127.0.0.1]", "a@ф\u2024."),
    ],
)
async def test_hostile_recipients(desk: Desk, postman: Postman, to: str) -> None:
    letter = await desk.send(await desk.write(to=to))
    assert (letter.state, letter.content) == ("failed", None)
    assert postman.delivered == []


async def test_addresses_of_the_world(desk: Desk, postman: Postman) -> None:
    assert (await desk.send(await desk.write(to="ada@пример.рф"))).state == "sent"
    assert (await desk.send(await desk.write(to="почта@пример.рф"))).state == "sent"
    first, second = (one.recipients[0] for one in postman.delivered)
    assert first == "ada@xn--e1afmkfd.xn--p1ai"
    assert second == "почта@xn--e1afmkfd.xn--p1ai"
    with MailServer(enable_SMTPUTF8=False) as server:
        desk.change(smtp_url=SecretStr(server.url))
        letter = await desk.send(await desk.write(to="почта@пример.рф"))
    assert (letter.state, letter.error_code) == ("failed", "not_supported")


@pytest.mark.parametrize("locale", ["de", "", "en-GB"])
async def test_an_unknown_language_is_english(desk: Desk, locale: str) -> None:
    assert (await desk.row(await desk.write(locale=locale))).locale == "en"


async def test_a_letter_with_a_hole_is_not_written(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        for write, template, values in (
            (outbox.write, "test", {}),
            (outbox.write, "test", {"name": "Ada", "code": "1"}),
            (outbox.write, "phone_code", {"code": "1", "minutes": 1}),
            (outbox.write_sms, "test", {"name": "Ada"}),
            (outbox.write, "no-such", {}),
        ):
            with pytest.raises(ValueError, match="template"):
                await write(session, template, to="ada@example.com", locale="en", **values)  # type: ignore[operator]
