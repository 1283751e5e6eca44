"""Every operation of the API document against everybody who may ask, compared with the declared matrix."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from redis.asyncio import Redis
from sqlalchemy import text

from backend.config import Settings
from backend.database import Database
from backend.oauth import sessions
from backend.oauth.models import Ending
from backend.projects.membership import add_member
from backend.users import passwords
from tests.api.matrix import ALLOWED, EVERYBODY, MATRIX, PROVEN
from tests.api.operations import Operation, is_problem
from tests.support.people import Person, UserFactory
from tests.support.streams import Impatient
from tests.support.undo import undone

REFUSALS = (401, 403, 404)
ADDRESSES = {who: f"203.0.113.{number}" for number, who in enumerate(EVERYBODY)}


@dataclass(frozen=True)
class Crossing:
    """One cell: who asks what, and what is to come of it."""

    operation: Operation
    who: str
    expected: int

    def wrong(self, answer: httpx.Response) -> str | None:
        status = answer.status_code
        told = f"{self.operation.id} by {self.who}: {status}, not {self.expected}: {answer.text[:200]}"
        if self.expected == ALLOWED:
            right = status not in REFUSALS and (status < 500 or status == 503)
        else:
            right = status == self.expected and is_problem(answer)
        return None if right and self.operation.declares(answer) else told


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 as it is takes longer than all the rest."""
    quick = PasswordHash((Argon2Hasher(memory_cost=8, time_cost=1, parallelism=1),))
    monkeypatch.setattr(passwords, "_hasher", quick)
    monkeypatch.setattr(passwords, "_NOBODY", quick.hash("nobody has this one"))


@pytest.fixture
async def impatient(app: FastAPI, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=Impatient(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=settings.panel_url) as client:
        yield client


@pytest.fixture
async def everybody(
    user_factory: UserFactory, database: Database, owner: Person, stranger: Person
) -> Mapping[str, Mapping[str, str]]:
    """Name of a cell → the headers that its person sends."""
    everything = ("user", "admin")
    members = {role: await user_factory() for role in ("viewer", "developer", "billing")}
    owners = {
        "unscoped": await user_factory(roles=everything, scope="nothing"),
        "expired": await user_factory(roles=everything, expires_in=-60),
        "revoked": await user_factory(roles=everything),
    }
    async with database.transaction() as session:
        for role, person in members.items():
            await add_member(session, owner.project_id, person.id, role)
        for person in owners.values():
            await add_member(session, owner.project_id, person.id, "owner")
        await sessions.revoke(session, owners["revoked"].session_id, Ending.SIGNED_OUT)
    people = {
        "stranger": stranger,
        "owner": owner,
        "support": await user_factory(roles=("user", "support")),
        "administrator": await user_factory(roles=everything),
        **members,
        **owners,
    }
    tokens = {name: person.headers for name, person in people.items()} | {"anonymous": {}}
    assert set(tokens) == set(EVERYBODY)
    return {name: {**headers, "X-Forwarded-For": ADDRESSES[name]} for name, headers in tokens.items()}


@pytest.fixture
async def forgetful(settings: Settings) -> AsyncIterator[Redis]:
    """What Redis counts, to be emptied: a limit on attempts is not what is asked here."""
    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        yield redis


def crossings(walk: list[Operation], *, allowed: bool) -> list[Crossing]:
    every = [
        Crossing(operation, who, getattr(MATRIX[operation.id], who))
        for operation in walk
        if operation.id in MATRIX
        for who in EVERYBODY
    ]
    return [one for one in every if (one.expected == ALLOWED) is allowed]


def test_every_operation_has_a_row(walk: list[Operation], objects: dict[str, str]) -> None:
    names = {operation.id for operation in walk}
    missing = sorted(names - MATRIX.keys())
    assert not missing, (
        f"no row says who may call {', '.join(missing)}: add one to the area's module in tests/api/matrix/"
    )
    assert not MATRIX.keys() - names, f"rows for what does not exist: {sorted(MATRIX.keys() - names)}"
    unknown = {name for operation in walk for name in operation.ids} - objects.keys()
    assert not unknown, (
        f"give the owner one of {sorted(unknown)} in the fixture `objects` (tests/api/conftest.py)"
    )


async def test_who_is_refused_is_refused_and_changes_nothing(
    impatient: httpx.AsyncClient,
    walk: list[Operation],
    objects: dict[str, str],
    everybody: Mapping[str, Mapping[str, str]],
    database: Database,
) -> None:
    before = await contents(database)
    wrong = []
    for one in crossings(walk, allowed=False):
        answer = await one.operation.call(impatient, objects, headers=everybody[one.who])
        wrong.append(one.wrong(answer))
        if answer.status_code == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer"), one
    assert not any(wrong), lines(wrong)
    after = await contents(database)
    assert {table for table in before if before[table] != after[table]} == set()


async def test_who_is_allowed_is_answered(
    impatient: httpx.AsyncClient,
    walk: list[Operation],
    objects: dict[str, str],
    everybody: Mapping[str, Mapping[str, str]],
    database: Database,
    forgetful: Redis,
) -> None:
    wrong = []
    for one in crossings(walk, allowed=True):
        await forgetful.flushdb()
        async with undone(database):
            answer = await one.operation.call(impatient, objects, headers=everybody[one.who])
        wrong.append(one.wrong(answer))
    assert not any(wrong), lines(wrong)


async def test_dangerous_actions_want_a_recent_proof(
    impatient: httpx.AsyncClient,
    walk: list[Operation],
    objects: dict[str, str],
    owner: Person,
    user_factory: UserFactory,
    database: Database,
    forgetful: Redis,
) -> None:
    """Of somebody who may do everything, and last showed a secret yesterday."""
    person = await user_factory(roles=("user", "admin"))
    async with database.transaction() as session:
        await add_member(session, owner.project_id, person.id, "owner")
        await session.execute(text("UPDATE oauth_sessions SET proved_at = now() - interval '1 day'"))
    asked = set()
    for operation in walk:
        await forgetful.flushdb()
        async with undone(database):
            answer = await operation.call(impatient, objects, headers=person.headers)
        if answer.status_code == 403 and answer.json().get("code") == "proof_required":
            assert operation.declares(answer), operation.id
            asked.add(operation.id)
    assert asked == PROVEN


def lines(wrong: list[str | None]) -> str:
    return "the matrix says otherwise:\n" + "\n".join(told for told in wrong if told)


async def contents(database: Database) -> dict[str, str]:
    """A digest of every table, but for the one that records refusals."""
    named = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    async with database.transaction() as session:
        tables = set((await session.execute(text(named))).scalars()) - {"audit_events"}
        digests = {}
        for table in tables:
            rows = f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t"
            digests[table] = str((await session.execute(text(rows))).scalar_one())
        return digests
