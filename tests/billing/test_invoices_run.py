"""The monthly run: each month once, by the operator's clock, gone on with after any end."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from backend.billing.invoices import monthly
from backend.billing.invoices.months import Month
from backend.billing.runs.progress import SomeFailed
from backend.config import Settings
from backend.database import Database
from backend.projects.models import Project
from backend.utils.ids import new_id
from tests.billing.invoicing import Bookkeeper
from tests.support.people import Person
from tests.support.servers import ROOT

FIRST = datetime(2026, 11, 1, 2, tzinfo=UTC)
RUN = """
import asyncio, pickle, sys
from datetime import UTC, datetime
from pathlib import Path
from backend import config, models
from backend.billing.invoices import monthly
from backend.database import Database

settings = config.use(pickle.loads(Path(sys.argv[1]).read_bytes()))
asyncio.run(monthly.run(settings, Database(settings), at=datetime(2026, 11, 1, 2, tzinfo=UTC)))
"""


@pytest.fixture
def books(database: Database, settings: Settings, ada: Person) -> Bookkeeper:
    return Bookkeeper(database, settings, ada.project_id)


async def runs(books: Bookkeeper) -> list[tuple[Any, ...]]:
    found = await books.execute("SELECT period, state, counts FROM billing_runs ORDER BY started_at, id")
    return [tuple(row) for row in found]


async def test_not_before_the_month_is_over(books: Bookkeeper) -> None:
    await books.charge(date(2026, 10, 5), 100)
    await books.run(FIRST - timedelta(seconds=1))
    assert await books.invoices() == []
    await books.run(FIRST)
    assert [one.period_start for one in await books.invoices()] == [date(2026, 10, 1)]


async def test_by_the_operators_clock(books: Bookkeeper) -> None:
    books.settings = books.settings.model_copy(update={"billing_time_zone": "Asia/Tokyo"})
    await books.charge(date(2026, 10, 31), 100)
    # In Tokyo November began at 15:00 UTC.
    await books.run(datetime(2026, 10, 31, 16, 59, tzinfo=UTC))
    assert await books.invoices() == []
    await books.run(datetime(2026, 10, 31, 17, 0, tzinfo=UTC))
    assert [one.gross for one in await books.invoices()] == [100]


async def test_once_a_month_and_the_run_says_so(books: Bookkeeper) -> None:
    await books.charge(date(2026, 10, 5), 100)
    for hours in range(5):
        await books.run(FIRST + timedelta(hours=hours))
    assert await runs(books) == [("2026-10", "succeeded", {"invoices": 1})]
    await books.charge(date(2026, 10, 6), 30)
    await books.run(FIRST + timedelta(hours=6))
    assert len(await books.invoices()) == 1
    await books.run(datetime(2026, 12, 1, 2, tzinfo=UTC))
    assert [one.gross for one in await books.invoices()] == [100, 30]


async def test_months_that_the_panel_missed(books: Bookkeeper) -> None:
    for month in (7, 9, 10):
        await books.charge(date(2026, month, 5), month)
    await books.run(FIRST)
    assert [(one.period_start.month, one.gross) for one in await books.invoices()] == [
        (7, 7),
        (9, 9),
        (10, 10),
    ]


async def test_a_month_waits_for_rating_but_not_for_ever(books: Bookkeeper) -> None:
    await books.charge(date(2026, 10, 5), 100)
    await books.execute(
        "INSERT INTO usage_records (service_id, meter, price_id, event_id, day, from_at, to_at, seconds)"
        " VALUES (gen_random_uuid(), 'plan', gen_random_uuid(), 1, '2026-10-05', '2026-10-05T00:00Z',"
        " '2026-10-05T01:00Z', 3600)"
    )
    await books.run(FIRST)
    assert await books.invoices() == []
    await books.run(FIRST + timedelta(days=3))
    assert len(await books.invoices()) == 1


async def test_without_billing_there_is_no_run(books: Bookkeeper) -> None:
    books.settings = books.settings.model_copy(update={"billing_enabled": False})
    await books.charge(date(2026, 10, 5), 100)
    await books.run(FIRST)
    assert await books.invoices() == []
    assert await runs(books) == []


async def test_one_that_fails_keeps_no_other_from_theirs(
    books: Bookkeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = await many(books, 4)
    honest = monthly.issue_month

    async def stumbling(session: Any, settings: Settings, project_id: UUID, *more: Any) -> Any:
        if project_id == others[1]:
            raise ValueError("a line that nobody foresaw")
        return await honest(session, settings, project_id, *more)

    monkeypatch.setattr(monthly, "issue_month", stumbling)
    with pytest.raises(SomeFailed):
        await books.run(FIRST)
    assert len(await books.invoices()) == 3
    assert (await runs(books))[-1][:2] == ("2026-10", "failed")
    monkeypatch.undo()
    await books.run(FIRST + timedelta(hours=1))
    assert [one.number for one in await books.invoices()] == [1, 2, 3, 4]
    assert (await runs(books))[-1] == ("2026-10", "succeeded", {"invoices": 1})


async def many(books: Bookkeeper, count: int) -> list[UUID]:
    """Projects with charges in October."""
    made = sorted(new_id() for _ in range(count))
    async with books.database.transaction() as session:
        session.add_all(Project(id=one, name="Quay") for one in made)
    for at, one in enumerate(made):
        await books.charge(date(2026, 10, 1 + at % 31), 100 + at, 19, project_id=one)
    return made


async def test_kill_nine_in_the_middle(books: Bookkeeper, tmp_path: Path) -> None:
    count, killed_at = 120, (5, 40, 75)
    made = await many(books, count)
    kept = tmp_path / "settings"
    kept.write_bytes(pickle.dumps(books.settings))
    for enough in killed_at:
        # As if two silent minutes had passed.
        await books.execute("UPDATE billing_runs SET seen_at = now() - interval '1 hour'")
        worker = subprocess.Popen([sys.executable, "-c", RUN, str(kept)], cwd=ROOT)
        try:
            while len(await books.invoices()) < enough:
                assert worker.poll() is None, "it was done before it was killed"
                await asyncio.sleep(0.005)
        finally:
            worker.kill()
            worker.wait()
        assert [one.number for one in await books.invoices()] == list(
            range(1, len(await books.invoices()) + 1)
        )
    await books.execute("UPDATE billing_runs SET seen_at = now() - interval '1 hour'")
    await books.run(FIRST)
    invoices = await books.invoices()
    assert [one.number for one in invoices] == list(range(1, count + 1))
    assert {one.project_id: one.gross for one in invoices} == {one: 119 + at for at, one in enumerate(made)}
    states = [state for _, state, _ in await runs(books)]
    assert states == ["interrupted"] * 3 + ["succeeded"]
    assert str(Month.of(FIRST, books.zone).preceding) == "2026-10"
