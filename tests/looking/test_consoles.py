"""Consoles: who gets one, what a ticket is good for, what ends one, and what is on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import delete, select, update

from backend.audit.models import AuditEvent
from backend.config import Settings
from backend.consoles import ending
from backend.consoles.models import Console
from backend.consoles.relay import LARGEST, WINDOW, Bounds, Relay
from backend.database import Database, now
from backend.engines.base import EngineError
from backend.oauth.announcements import announce
from backend.projects.models import ProjectMember
from backend.services.models import Service
from tests.looking.browser import Closed, Socket
from tests.looking.conftest import Echo, Told
from tests.services.releases import Harbour
from tests.support.people import Person, UserFactory

PATIENCE = 20


async def ask(harbour: Harbour, **body: Any) -> httpx.Response:
    return await harbour.ask("POST", f"/services/{harbour.service_id}/consoles", body or None)


async def ticket(harbour: Harbour) -> str:
    answer = await ask(harbour)
    assert answer.status_code == 201, answer.text
    given: str = answer.json()["ticket"]
    return given


@asynccontextmanager
async def opened(app: FastAPI, harbour: Harbour, **size: int) -> AsyncIterator[Socket]:
    async with Socket(app) as socket:
        socket.say({"ticket": await ticket(harbour), **size})
        assert await socket.told() == {"open": True}
        yield socket


async def recorded(database: Database) -> list[tuple[str, Any]]:
    async with database.transaction() as session:
        wanted = select(AuditEvent).where(AuditEvent.action.like("console.%")).order_by(AuditEvent.created_at)
        return [(one.action, one) for one in (await session.execute(wanted)).scalars()]


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not found():
            await asyncio.sleep(0.01)


async def test_what_is_typed_arrives_and_both_ends_are_on_record(
    app: FastAPI, harbour: Harbour, engine: Told, live_id: UUID, database: Database
) -> None:
    async with opened(app, harbour, columns=100, rows=30) as socket:
        assert engine.asked == [(str(live_id), "web", 1, 100, 30)]
        typed = bytes(range(256)) + "гавань\r".encode()
        socket.type(typed)
        assert await socket.printed(len(typed)) == typed
        socket.say({"resize": [120, 40]})
        # Nonsense is nothing.
        for nonsense in (
            "",
            "null",
            "[]",
            "{",
            '{"resize": [1]}',
            '{"resize": ["a", 2], "seen": -5}',
            "1e999",
        ):
            socket.say_text(nonsense)
        socket.type(b"still here")
        assert await socket.printed(10) == b"still here"
        assert engine.opened[0].sizes == [(120, 40)]
    assert engine.opened[0].closed
    (first, began), (second, over) = await recorded(database)
    assert (first, second) == ("console.opened", "console.closed")
    assert {began.user_id, over.user_id} == {harbour.ada.id}
    assert (began.object_id, began.address) == (harbour.service_id, "198.51.100.7")
    assert over.after["ended"] == "left"
    assert over.after["seconds"] >= 0
    assert "typed" not in str(over.after)


async def test_a_ticket_is_good_once(app: FastAPI, harbour: Harbour, engine: Told) -> None:
    given = await ticket(harbour)

    async def use() -> str:
        async with Socket(app) as socket:
            socket.say({"ticket": given})
            said = await socket.told()
            return "open" if said.get("open") else said["end"]

    assert sorted(await asyncio.gather(*(use() for _ in range(5)))) == ["open", *["ticket"] * 4]
    assert await use() == "ticket"
    assert len(engine.opened) == 1


@pytest.mark.parametrize(
    "said",
    [
        *("", "null", "[]", "{}", '{"ticket": null}', '{"ticket": 7}', '{"ticket": ""}', '{"ticket": "x"}'),
        '{"ticket": "' + "x" * 60_000 + '"}',
        '{"ticket": "\\ud800\\u0000"}',
        "not json \x00",
    ],
    ids=range(11),
)
async def test_garbage_is_no_ticket(app: FastAPI, engine: Told, harbour: Harbour, said: str) -> None:
    async with Socket(app) as socket:
        socket.say_text(said)
        assert await socket.refused() == "ticket"
    assert engine.opened == []


async def test_bytes_are_no_ticket(app: FastAPI, engine: Told) -> None:
    async with Socket(app) as socket:
        socket.type(b'{"ticket": "x"}')
        assert await socket.refused() == "ticket"


async def test_a_ticket_that_is_too_late(
    app: FastAPI, harbour: Harbour, database: Database, engine: Told
) -> None:
    given = await ticket(harbour)
    async with database.transaction() as session:
        await session.execute(update(Console).values(expires_at=now() - timedelta(seconds=1)))
    async with Socket(app) as socket:
        socket.say({"ticket": given})
        assert await socket.refused() == "ticket"
    assert engine.opened == []


async def test_a_ticket_ends_with_its_session(
    app: FastAPI, harbour: Harbour, ada: Person, engine: Told, client: httpx.AsyncClient
) -> None:
    given = await ticket(harbour)
    await client.post("/oauth/revoke", data={"client_id": "cli", "token": ada.refresh_token})
    async with Socket(app) as socket:
        socket.say({"ticket": given})
        assert await socket.refused() == "ticket"
    assert engine.opened == []


async def _sign_out(harbour: Harbour, database: Database) -> None:
    form = {"client_id": "cli", "token": harbour.ada.refresh_token}
    await harbour.client.post("/oauth/revoke", data=form)


async def _leave(harbour: Harbour, database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(delete(ProjectMember).where(ProjectMember.user_id == harbour.ada.id))
        await announce(session, harbour.ada.id)


async def _demote(harbour: Harbour, database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(update(ProjectMember).values(role="viewer"))
        await announce(session, harbour.ada.id)


async def _delete(harbour: Harbour, database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(update(Service).values(deleted_at=now()))
        await announce(session, harbour.ada.id)


@pytest.mark.parametrize(
    ("what", "why"),
    [(_sign_out, "session"), (_leave, "permission"), (_demote, "permission"), (_delete, "service")],
)
async def test_it_ends_at_once_with_what_it_rests_on(
    app: FastAPI, harbour: Harbour, database: Database, engine: Told, what: Any, why: str
) -> None:
    async with opened(app, harbour) as socket:
        await what(harbour, database)
        assert await socket.refused() == why
    assert engine.opened[0].closed
    assert (await recorded(database))[-1][1].after["ended"] == why


async def test_it_ends_with_the_shell_the_panel_and_a_message_too_large(
    app: FastAPI, harbour: Harbour, database: Database, engine: Told
) -> None:
    async with opened(app, harbour) as socket:
        engine.opened[-1].printed.put_nowait(b"")
        assert await socket.refused() == "ended"
    async with opened(app, harbour) as socket:
        socket.type(b"x" * (LARGEST + 1))
        assert await socket.refused() == "too_large"
    async with opened(app, harbour) as socket:
        socket.hang_up(1012)
        await until(lambda: engine.opened[-1].closed)
    ends = [one.after["ended"] for action, one in await recorded(database) if action == "console.closed"]
    assert ends == ["ended", "too_large", "restarted"]


@pytest.mark.parametrize("code", ["unit_stopped", "unit_elsewhere", "no_shell", "engine_unavailable"])
async def test_a_unit_without_a_shell_is_said(
    app: FastAPI, harbour: Harbour, engine: Told, database: Database, code: str
) -> None:
    engine.trouble = EngineError(code, "It cannot be.")
    async with Socket(app) as socket:
        socket.say({"ticket": await ticket(harbour)})
        assert await socket.refused() == code
    assert (await recorded(database))[-1][1].after["ended"] == code


async def test_a_page_of_another_origin_is_refused(app: FastAPI, harbour: Harbour) -> None:
    with pytest.raises(Closed):
        async with Socket(app, origin="https://evil.example"):
            pass


async def test_who_may_not(
    harbour: Harbour, engine: Told, user_factory: UserFactory, client: httpx.AsyncClient
) -> None:
    stranger, administrator = await user_factory(), await user_factory(roles=("user", "admin"))
    path = f"/api/v1/services/{harbour.service_id}/consoles"
    for person in (stranger, administrator):
        answer = await client.post(path, headers=person.headers)
        assert answer.status_code == 404
    made = await harbour.ask("POST", "/me/tokens", {"name": "t", "scopes": ["services:console"]})
    assert made.status_code in (403, 422), "no token that outlives the person's session"
    nobody = await harbour.ask("POST", f"/services/{uuid4()}/consoles")
    assert nobody.status_code == 404
    engine.abilities = frozenset()
    answer = await ask(harbour)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_supported_here")


@pytest.mark.parametrize(
    "body",
    [
        *({"process": ""}, {"process": "a b"}, {"process": "x" * 100}, {"process": 7}, {"replica": 0}),
        *({"replica": "one"}, {"replica": 10**12}, {"process": "w\x00"}),
    ],
    ids=str,
)
async def test_hostile_units(harbour: Harbour, body: dict[str, Any]) -> None:
    assert (await ask(harbour, **body)).status_code == 422


async def test_a_service_that_was_never_live(harbour: Harbour, database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(update(Service).values(live_deployment_id=None))
    answer = await ask(harbour)
    assert (answer.status_code, answer.json()["code"]) == (409, "never_live")


async def test_no_more_than_so_many_at_once(harbour: Harbour, settings: Settings, database: Database) -> None:
    most = settings.consoles_per_user
    answers = await asyncio.gather(*(ask(harbour) for _ in range(most + 3)))
    assert sorted(answer.status_code for answer in answers) == [201] * most + [409] * 3
    assert {answer.json().get("code") for answer in answers if answer.status_code == 409} == {
        "too_many_consoles"
    }
    # Tickets that nobody used are forgotten with their time, and servers that were killed with theirs.
    async with database.transaction() as session:
        at = now() - timedelta(minutes=5)
        await session.execute(update(Console).values(expires_at=at, opened_at=at, seen_at=at))
    assert (await ask(harbour)).status_code == 201
    async with database.transaction() as session:
        assert await ending.prune(session) == most
    ends = [one.after for _, one in await recorded(database)]
    assert [one["ended"] for one in ends] == ["lost"] * most
    assert {one["seconds"] for one in ends} == {0}


class Wire:
    """Takes what it is sent, and says nothing until told to."""

    def __init__(self) -> None:
        self.sent = 0
        self.said: asyncio.Queue[bytes | str | None] = asyncio.Queue()

    async def receive(self) -> bytes | str | None:
        return await self.said.get()

    async def send(self, data: bytes) -> None:
        self.sent += len(data)


class Flood(Echo):
    async def read(self) -> bytes:
        self.reads += 1
        await asyncio.sleep(0)
        return b"y\r\n" * 1000


async def well() -> str | None:
    return None


async def test_a_flood_waits_for_whoever_shows_it() -> None:
    wire, flood = Wire(), Flood()
    relay = Relay(flood, wire, Bounds(60, 60), trouble=well, noticed=asyncio.Event())
    running = asyncio.create_task(relay.run())
    await until(lambda: wire.sent >= WINDOW)
    for _ in range(50):
        await asyncio.sleep(0)
    assert wire.sent < WINDOW + 2 * 3000
    ahead = flood.reads
    wire.said.put_nowait('{"seen": 100000}')
    await until(lambda: flood.reads > ahead + 30)
    for _ in range(50):
        await asyncio.sleep(0)
    assert wire.sent < WINDOW + 100_000 + 2 * 3000
    wire.said.put_nowait(None)
    assert await running == "left"


@pytest.mark.parametrize(
    ("bounds", "why"), [(Bounds(0.05, 60), "idle"), (Bounds(60, 0.05), "longest")], ids=["idle", "longest"]
)
async def test_it_does_not_last_for_ever(bounds: Bounds, why: str) -> None:
    async with asyncio.timeout(PATIENCE):
        relay = Relay(Echo(), Wire(), bounds, trouble=well, noticed=asyncio.Event())
        assert await relay.run() == why
