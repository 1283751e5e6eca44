"""Letters written and sent over the real database, to a mail server of this test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from backend.config import Settings
from backend.database import Database, now
from backend.mail import delivery, outbox
from backend.mail.models import Letter
from backend.mail.transports import Transports, transports_of
from tests.support.mailserver import SENDER, MailServer, Postman, SmsServer


@dataclass
class Desk:
    """Writes letters, sends them, looks at their rows."""

    database: Database
    settings: Settings

    @property
    def transports(self) -> Transports:
        return transports_of(self.settings)

    def change(self, **values: Any) -> None:
        self.settings = self.settings.model_copy(update=values)

    async def write(self, to: str = "ada@example.com", locale: str = "en", name: str = "Ada") -> UUID:
        async with self.database.transaction() as session:
            return await outbox.write(session, "test", to=to, locale=locale, name=name)

    async def write_sms(self, to: str = "+79991234567", code: str = "493027") -> UUID:
        async with self.database.transaction() as session:
            return await outbox.write_sms(session, "phone_code", to=to, locale="ru", code=code, minutes=10)

    async def send(self, letter_id: UUID) -> Letter:
        await delivery.deliver(letter_id, self.database, self.transports, self.settings)
        return await self.row(letter_id)

    async def row(self, letter_id: UUID) -> Letter:
        async with self.database.transaction() as session:
            letter = await session.get(Letter, letter_id)
            assert letter is not None
            return letter

    async def set(self, letter_id: UUID, **values: Any) -> None:
        async with self.database.transaction() as session:
            letter = await session.get(Letter, letter_id)
            for name, value in values.items():
                setattr(letter, name, value)

    async def due_now(self, letter_id: UUID) -> None:
        """Instead of waiting for a back-off to pass."""
        await self.set(letter_id, due_at=now() - timedelta(seconds=1))


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def postman(mail: MailServer) -> Postman:
    return mail.postman


@pytest.fixture
def sms() -> Iterator[SmsServer]:
    with SmsServer() as server:
        yield server


@pytest.fixture
def desk(app: FastAPI, settings: Settings, mail: MailServer) -> Desk:
    desk = Desk(app.state.parts.database, settings)
    desk.change(smtp_url=SecretStr(mail.url), mail_from=SENDER)
    return desk


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """All that was printed so far."""
    return lambda: "".join(capsys.readouterr())
