"""What happened to a service: told once, in order, with the reason."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from backend.database import Database, now
from backend.engines.base import EngineError, Reason, UnitExit
from backend.jobs.models import Job, JobState
from backend.services.models import Service
from backend.timeline import recording
from backend.timeline.exits import note_exits
from backend.timeline.recording import MOST_EXITS
from tests.looking.conftest import Told
from tests.services.releases import Harbour

MEMORY = Reason("unit_exited", "It used too much memory.", {"because": "out_of_memory", "limit_bytes": 1})


def ended(harbour: Harbour, live_id: UUID, minutes: float, **more: Any) -> UnitExit:
    values: dict[str, Any] = {"process": "web", "replica": 1, "reason": MEMORY, **more}
    at = now().replace(microsecond=0) - timedelta(minutes=minutes)
    return UnitExit(str(live_id), str(harbour.service_id), at=at, **values)


async def events(harbour: Harbour, **query: Any) -> list[dict[str, Any]]:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    answer = await harbour.ask("GET", f"/services/{harbour.service_id}/events?{asked}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_an_end_is_told_once_with_its_reason(
    harbour: Harbour, live_id: UUID, engine: Told, database: Database
) -> None:
    engine.ended = [
        ended(harbour, live_id, 2),
        ended(harbour, live_id, 1, process="worker", replica=2),
        ended(harbour, live_id, 90),
    ]
    assert await note_exits(database, engine) == 2  # type: ignore[arg-type]
    assert await note_exits(database, engine) == 0  # type: ignore[arg-type]
    first, second = [one for one in await events(harbour) if one["kind"] == "exited"]
    assert (first["process"], first["replica"]) == ("worker", 2)
    assert (second["reason_code"], second["reason_parameters"]["because"]) == ("unit_exited", "out_of_memory")
    assert second["deployment_id"] == str(live_id)


async def test_what_a_job_ends_is_no_end(
    harbour: Harbour, live_id: UUID, engine: Told, database: Database
) -> None:
    engine.ended = [ended(harbour, live_id, 1)]
    async with database.transaction() as session:
        await session.execute(update(Job).values(state=JobState.RUNNING))
    assert await note_exits(database, engine) == 0  # type: ignore[arg-type]
    async with database.transaction() as session:
        await session.execute(update(Job).values(state=JobState.SUCCEEDED))
        await session.execute(update(Service).values(desired="stopped"))
    assert await note_exits(database, engine) == 0  # type: ignore[arg-type]
    engine.trouble = EngineError("engine_unavailable", "It is away.")
    assert await note_exits(database, engine) == 0  # type: ignore[arg-type]


async def test_one_that_never_stops_crashing_fills_nothing(
    harbour: Harbour, live_id: UUID, engine: Told, database: Database
) -> None:
    for start in range(0, MOST_EXITS + 40, 60):
        engine.ended = [ended(harbour, live_id, 1, replica=start + number) for number in range(60)]
        await note_exits(database, engine)  # type: ignore[arg-type]
    kept, cursor = 0, ""
    while True:
        url = f"/services/{harbour.service_id}/events?size=100" + (f"&cursor={cursor}" if cursor else "")
        page = (await harbour.ask("GET", url)).json()
        kept += sum(one["kind"] == "exited" for one in page["items"])
        if not (cursor := page["next_page"]):
            break
    assert kept == MOST_EXITS


async def test_what_was_done_to_it(harbour: Harbour, database: Database) -> None:
    for verb in ("restart", "stop"):
        assert (await harbour.ask("POST", f"/services/{harbour.service_id}/{verb}")).status_code == 202
    kinds = [one["kind"] for one in await events(harbour)]
    assert kinds[:2] == ["stopped", "restarted"]
    assert [one["kind"] for one in await events(harbour, sort="at")] == kinds[::-1]


async def test_old_events_go(harbour: Harbour, database: Database) -> None:
    async with database.transaction() as session:
        service_id = UUID(str(harbour.service_id))
        await recording.note(session, service_id, "live", at=now() - timedelta(days=91))
        await recording.note(session, service_id, "live", at=now() - timedelta(days=89))
    async with database.transaction() as session:
        assert await recording.prune(session) == 1


@pytest.mark.parametrize("query", ["cursor=x", "size=0", "size=101", "sort=kind", "sort="])
async def test_nonsense_is_refused(harbour: Harbour, query: str) -> None:
    answer = await harbour.ask("GET", f"/services/{harbour.service_id}/events?{query}")
    assert answer.status_code in (400, 422)
