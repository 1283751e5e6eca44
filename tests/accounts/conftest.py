"""People with and without a verified address, and reading the tokens of their letters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from backend.audit.models import AuditEvent
from backend.config import Settings
from backend.database import Database
from tests.accounts.links import token_of
from tests.support.mailbox import Mailbox
from tests.support.people import Person, UserFactory

Link = Callable[..., Awaitable[str]]


@pytest.fixture
def settings(settings_of: Callable[..., Settings]) -> Settings:
    """An installation that sends letters; the rates are not what is tested, but where it is said."""
    many = "1000/minute"
    return settings_of(
        email_verification="required",
        code_rate_per_subject=many,
        code_rate_per_address=many,
        login_rate_per_address=many,
        registration_rate_per_address=many,
    )


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory("ada@example.com", name="Ada Lovelace")


@pytest.fixture
async def eve(user_factory: UserFactory) -> Person:
    return await user_factory("eve@example.com", name="Eve")


@pytest.fixture
async def newcomer(client: httpx.AsyncClient, user_factory: UserFactory) -> Person:
    """Registered, and nothing more."""
    return await user_factory("new@example.com", verified=False)


@pytest.fixture
def link(mailbox: Mailbox) -> Link:
    """`await link("ada@example.com", "password_reset")`: the token of the newest such letter."""

    async def read(to: str, template: str) -> str:
        return token_of(await mailbox.letter(to=to, template=template))

    return read


@pytest.fixture
def as_person(client: httpx.AsyncClient) -> Callable[..., Awaitable[httpx.Response]]:
    async def call(person: Person, method: str, path: str, body: Any = None) -> httpx.Response:
        return await client.request(method, f"/api/v1{path}", json=body, headers=person.headers)

    return call


@pytest.fixture
def recorded(database: Database) -> Callable[..., Awaitable[list[AuditEvent]]]:
    """Events of the trail by their action."""

    async def read(action: str) -> list[AuditEvent]:
        async with database.session() as session:
            statement = select(AuditEvent).where(AuditEvent.action == action)
            return list((await session.execute(statement.order_by(AuditEvent.id))).scalars())

    return read


@pytest.fixture
def expire(database: Database) -> Callable[[], Awaitable[None]]:
    """Let time pass for every code and link."""

    async def run() -> None:
        async with database.transaction() as session:
            await session.execute(
                text("UPDATE verification_codes SET expires_at = now() - interval '1 second'")
            )

    return run
