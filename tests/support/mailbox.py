"""Reading the letters and text messages that the application sends, as their recipients would.

`letter = await mailbox.letter(to="ada@example.com", template="password_reset")`, then `letter.links`.
In tests of the application alone it sends what is asked for itself, as the worker would; in tests of a
whole installation (fixture `stack`) the worker does, and the mailbox waits for it.
"""

from __future__ import annotations

import asyncio
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from uuid import UUID

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select

from backend.billing.invoices.letters import attachments
from backend.context import Parts
from backend.mail.delivery import deliver
from backend.mail.models import Letter as Row
from backend.mail.transports import transports_of
from tests.support.mailserver import SENDER, MailServer, SmsServer
from tests.support.stack import Stack

_LINK = re.compile(r"https?://[^\s<>\"]+")
PAUSE = 0.05


@dataclass(frozen=True)
class Letter:
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    @property
    def links(self) -> list[str]:
        """Every address in the text, without the footer's."""
        return _LINK.findall(self.text.partition("\n-- \n")[0])

    def _body(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        assert part is not None
        return str(part.get_content()).replace("\r\n", "\n")


@dataclass(frozen=True)
class TextMessage:
    to: str
    text: str


class Mailbox(ABC):
    def __init__(self, mail: MailServer, sms: SmsServer) -> None:
        self._mail = mail
        self._sms = sms

    async def letter(self, *, to: str, template: str, seconds: float = 20) -> Letter:
        """The newest letter of this template to this address."""
        row_id = await self._sent("email", to, template, seconds)
        for delivered in reversed(self._mail.postman.delivered):
            if str(row_id) in delivered.message["Message-ID"]:
                return Letter(delivered.message)
        raise AssertionError(f"{template} was said to be sent to {to}, and was not")

    async def sms(self, *, to: str, template: str, seconds: float = 20) -> TextMessage:
        """The newest text message of this template to this number."""
        row_id = await self._sent("sms", to, template, seconds)
        for posted in reversed(self._sms.posted):
            if posted.json["id"] == str(row_id):
                return TextMessage(posted.json["to"], posted.json["text"])
        raise AssertionError(f"{template} was said to be sent to {to}, and was not")

    async def none(self, *, to: str, template: str | None = None) -> None:
        """Nothing such was written, whether sent or not."""
        for channel in ("email", "sms"):
            found = await self._newest(channel, to, template)
            assert found is None, f"{to} is written to"

    async def count(self, *, to: str, template: str | None = None, channel: str = "email") -> int:
        return len(await self._rows(channel, to, template))

    async def _sent(self, channel: str, to: str, template: str, seconds: float) -> UUID:
        deadline = time.monotonic() + seconds
        while True:
            newest = await self._newest(channel, to, template)
            if newest is not None:
                row_id, state = newest
                if state == "sent":
                    return row_id
                await self._hasten(row_id)
            else:
                state = "not written"
            assert time.monotonic() < deadline, f"{template} to {to} is {state} after {seconds:.0f} s"
            await asyncio.sleep(PAUSE)

    async def _newest(self, channel: str, to: str, template: str | None) -> tuple[UUID, str] | None:
        rows = await self._rows(channel, to, template)
        return rows[-1] if rows else None

    @abstractmethod
    async def _rows(self, channel: str, to: str, template: str | None) -> list[tuple[UUID, str]]:
        """Id and state of such letters, oldest first."""

    @abstractmethod
    async def _hasten(self, row_id: UUID) -> None:
        """Send it, if nobody else does."""


class AppMailbox(Mailbox):
    def __init__(self, mail: MailServer, sms: SmsServer, parts: Parts) -> None:
        super().__init__(mail, sms)
        self._parts = parts
        self._settings = parts.settings.model_copy(update=sending(mail, sms))

    async def _rows(self, channel: str, to: str, template: str | None) -> list[tuple[UUID, str]]:
        statement = select(Row.id, Row.state).where(Row.channel == channel, Row.recipient == to)
        if template:
            statement = statement.where(Row.template == template)
        async with self._parts.database.transaction() as session:
            found = await session.execute(statement.order_by(Row.created_at, Row.id))
            return [(row.id, row.state) for row in found]

    async def _hasten(self, row_id: UUID) -> None:
        database, settings = self._parts.database, self._settings
        await deliver(row_id, database, transports_of(settings), settings, attachments(database, settings))


class StackMailbox(Mailbox):
    def __init__(self, mail: MailServer, sms: SmsServer, stack: Stack) -> None:
        super().__init__(mail, sms)
        self._stack = stack

    async def _rows(self, channel: str, to: str, template: str | None) -> list[tuple[UUID, str]]:
        rows = await self._stack.rows(
            "SELECT id, state FROM letters WHERE channel = $1 AND recipient = $2"
            " AND ($3::text IS NULL OR template = $3) ORDER BY created_at, id",
            *(channel, to, template),
        )
        return [(row["id"], row["state"]) for row in rows]

    async def _hasten(self, row_id: UUID) -> None:
        """The worker is on it."""


def sending(mail: MailServer, sms: SmsServer) -> dict[str, object]:
    """Settings that send letters and messages here."""
    return {
        "smtp_url": SecretStr(mail.url),
        "mail_from": SENDER,
        "sms_gateway_url": SecretStr(sms.url),
    }


@pytest.fixture(scope="session")
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture(scope="session")
def sms_server() -> Iterator[SmsServer]:
    with SmsServer() as server:
        yield server


@pytest.fixture
def mailbox(request: pytest.FixtureRequest, mail_server: MailServer, sms_server: SmsServer) -> Mailbox:
    if "whole_stack" in request.fixturenames:
        return StackMailbox(mail_server, sms_server, request.getfixturevalue("whole_stack"))
    app: FastAPI = request.getfixturevalue("app")
    return AppMailbox(mail_server, sms_server, app.state.parts)
