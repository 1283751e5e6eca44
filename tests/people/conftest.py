"""What a person asks of the API, and what lies in the mailboxes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select

from backend.database import Database
from backend.mail.models import Letter
from backend.mail.outbox import unseal
from tests.support.people import Person

Json = dict[str, Any]


class Speaker:
    """Asks in somebody's name; paths are below /api/v1."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __call__(
        self, who: Person | str, method: str, path: str, body: Json | None = None, **params: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {who}"} if isinstance(who, str) else who.headers
        return await self._client.request(
            method, f"/api/v1{path}", json=body, params=params or None, headers=headers
        )

    async def ok(
        self, who: Person | str, method: str, path: str, body: Json | None = None, **params: Any
    ) -> Any:
        """The body of an answer that must not be a refusal."""
        answer = await self(who, method, path, body, **params)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    async def refused(
        self, who: Person | str, method: str, path: str, body: Json | None = None, **params: Any
    ) -> tuple[int, str]:
        """Status and code of the refusal."""
        answer = await self(who, method, path, body, **params)
        assert answer.is_error, f"{method} {path}: {answer.text}"
        return answer.status_code, answer.json()["code"]

    async def join(self, project_id: object, person: Person, role: str, database: Database) -> None:
        """Straight into the database, and heard of by the principal's cache."""
        from backend.projects.membership import add_member

        async with database.transaction() as session:
            await add_member(session, project_id, person.id, role)  # type: ignore[arg-type]
        await self.until(person, lambda me: str(project_id) in {one["id"] for one in me["projects"]})

    async def until(self, person: Person, holds: Callable[[Json], bool]) -> None:
        """What was announced takes a moment to be heard."""
        async with asyncio.timeout(30):
            while not holds(await self.ok(person, "GET", "/me")):
                await asyncio.sleep(0.005)


@pytest.fixture
def ask(client: httpx.AsyncClient) -> Speaker:
    return Speaker(client)


@pytest.fixture
def letters(database: Database) -> Callable[[str], Awaitable[list[tuple[str, str, Json]]]]:
    """Template, language and values of the letters to an address, oldest first."""

    async def read(address: str) -> list[tuple[str, str, Json]]:
        statement = select(Letter).where(Letter.recipient == address).order_by(Letter.id)
        async with database.transaction() as session:
            found = (await session.execute(statement)).scalars().all()
        return [(one.template, one.locale, unseal(one.id, one.content or "")) for one in found]

    return read


@pytest.fixture
def link_of(
    letters: Callable[[str], Awaitable[list[tuple[str, str, Json]]]],
) -> Callable[[str], Awaitable[str]]:
    """The token in the newest invitation to an address."""

    async def read(address: str) -> str:
        values = [
            values for template, _, values in await letters(address) if template == "project_invitation"
        ]
        return parse_qs(urlsplit(values[-1]["url"]).query)["token"][0]

    return read


@pytest.fixture
def recorded(database: Database) -> Callable[..., Awaitable[list[Any]]]:
    """What was recorded of an action, oldest first."""
    from backend.audit.models import AuditEvent

    async def read(action: str) -> list[Any]:
        statement = select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id)
        async with database.transaction() as session:
            return list((await session.execute(statement)).scalars())

    return read
