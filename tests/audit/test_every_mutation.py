"""Every operation that changes something leaves a row in the trail: the whole API document, performed."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from backend.config import Settings
from backend.database import Database
from backend.projects.membership import add_member
from tests.api.conftest import objects, owner, walk
from tests.api.operations import PUBLIC, Operation
from tests.audit.mutations import PREPARED, UNRECORDED, Stage
from tests.support.undo import undone

__all__ = ["objects", "owner", "walk"]


@pytest.fixture
async def stage(client, database, owner, objects, user_factory) -> Stage:  # type: ignore[no-untyped-def]
    administrator, member = await user_factory(roles=("user", "admin")), await user_factory()
    made = await client.post("/api/v1/projects", json={"name": "Shared"}, headers=owner.headers)
    shared = made.json()["id"]
    async with database.transaction() as session:
        await add_member(session, shared, member.id, "developer")
    return Stage(client, database, owner, administrator, member, shared, objects)


async def recorded(database: Database, answer: httpx.Response) -> bool:
    """Whether this request left a row."""
    statement = text("SELECT count(*) FROM audit_events WHERE result = 'done' AND request_id = :request")
    async with database.transaction() as session:
        found = await session.execute(statement, {"request": answer.headers["x-request-id"]})
        return int(found.scalar_one()) > 0


async def left_undone(operation: Operation, stage: Stage) -> str | None:
    """What is wrong with an operation, after performing it; None if it is recorded as it should be."""
    answer = await PREPARED[operation.id](stage) if operation.id in PREPARED else None
    if answer is None:
        try:
            answer = await operation.call(stage.client, stage.objects, headers=_headers(operation, stage))
        except KeyError as missing:
            return (
                f"{operation.id} lacks {missing}: a body in tests/api/operations.py, an id in the fixture "
                "`objects` (tests/api/conftest.py), or its own call in PREPARED (tests/audit/mutations.py)"
            )
    if answer.status_code >= 300:
        return (
            f"{operation.id} was to succeed and answered {answer.status_code} {answer.text[:160]!r}: "
            "say in PREPARED (tests/audit/mutations.py) what it needs"
        )
    if not await recorded(stage.database, answer):
        return (
            f"{operation.id} changed something and left no row: `await trail.record(session, Action.…)` in "
            "its capability, or say in UNRECORDED (tests/audit/mutations.py) why not"
        )
    return None


def _headers(operation: Operation, stage: Stage) -> Mapping[str, str]:
    if operation.id in PUBLIC:
        return {}
    return (stage.administrator if operation.is_admin else stage.owner).headers


async def test_every_mutation_leaves_a_row(walk: list[Operation], stage: Stage, settings: Settings) -> None:
    wrong = []
    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        for operation in walk:
            if operation.method == "GET" or operation.id in UNRECORDED:
                continue
            # Limits on attempts are not what is asked here.
            await redis.flushdb()
            async with undone(stage.database):
                wrong.append(await left_undone(operation, stage))
    told = [one for one in wrong if one]
    assert not told, "\n" + "\n".join(told)


def test_what_is_declared_exists(walk: list[Operation]) -> None:
    mutations = {operation.id for operation in walk if operation.method != "GET"}
    assert PREPARED.keys() | UNRECORDED.keys() <= mutations
    assert not PREPARED.keys() & UNRECORDED.keys()
