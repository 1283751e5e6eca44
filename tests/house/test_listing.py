"""Lists by keyset: every row once, in order, in both directions, whatever happens between two pages."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete

from backend.dao.listing import Query
from backend.database import Database
from backend.exceptions import BadRequest
from backend.jobs.views import JOBS
from backend.services.models import Service
from backend.services.views import SERVICES
from backend.utils.ids import new_id
from tests.support.people import Person, UserFactory

COUNT = 57
BEGIN = datetime(2026, 11, 22, 12, tzinfo=UTC)
SORTS = ["created_at", "-created_at", "name", "-name"]

Get = Callable[..., Awaitable[dict[str, Any]]]


def service(person: Person, number: int) -> Service:
    # Of each moment there are many: only the id tells them apart.
    return Service(
        id=new_id(),
        project_id=person.project_id,
        name=f"s{number * 7919 % 1000:03}",
        template_id="git-app",
        plan_id="dinghy",
        repo_url="https://git.example.com/a.git",
        health_path="/",
        status="running" if number % 2 else "stopped",
        created_at=BEGIN + timedelta(seconds=number % 5),
    )


@pytest.fixture
async def ada(user_factory: UserFactory, database: Database) -> Person:
    person = await user_factory()
    async with database.transaction() as session:
        session.add_all([service(person, number) for number in range(COUNT)])
    return person


@pytest.fixture
def get(database: Database, ada: Person) -> Get:
    async def page(sort: str, size: int, cursor: str | None = None, **filters: Any) -> dict[str, Any]:
        mine = {"project_id": str(ada.project_id), **filters}
        body = await SERVICES.page(await database.reader(), Query(sort, size, cursor, mine))
        found: dict[str, Any] = json.loads(body)
        return found

    return page


async def walk(get: Get, sort: str, size: int, **filters: Any) -> list[dict[str, Any]]:
    pages, cursor = [], None
    while not pages or cursor:
        pages.append(await get(sort, size, cursor, **filters))
        cursor = pages[-1]["next_page"]
        assert len(pages) <= COUNT + 1
    return pages


def ids(*pages: dict[str, Any]) -> list[str]:
    return [item["id"] for page in pages for item in page["items"]]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("size", [1, 7, 19, 56, 57, 58, 100])
async def test_every_row_once_and_in_order(get: Get, sort: str, size: int) -> None:
    pages = await walk(get, sort, size)
    rows = [item for page in pages for item in page["items"]]
    assert len(rows) == len({row["id"] for row in rows}) == COUNT
    keys = [(row[sort.lstrip("-")], row["id"]) for row in rows]
    assert keys == sorted(keys, reverse=sort.startswith("-"))
    assert all(len(page["items"]) == size for page in pages[:-1])
    assert pages[0]["previous_page"] is None
    assert pages[-1]["next_page"] is None
    assert all(page["next_page"] for page in pages[:-1])


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("size", [1, 7, 19])
async def test_the_way_back_is_the_same(get: Get, sort: str, size: int) -> None:
    pages = await walk(get, sort, size)
    back, cursor = [pages[-1]], pages[-1]["previous_page"]
    while cursor:
        back.append(await get(sort, size, cursor))
        cursor = back[-1]["previous_page"]
    assert [ids(page) for page in reversed(back)] == [ids(page) for page in pages]
    # From the first page that was reached backwards it goes on forwards.
    assert ids(await get(sort, size, back[-1]["next_page"])) == ids(pages[1])


@pytest.mark.parametrize("sort", SORTS)
async def test_rows_that_go_between_two_pages(get: Get, database: Database, sort: str) -> None:
    pages = await walk(get, sort, 7)
    # The very row that the cursor was made of, one before it, and one after it.
    gone = [ids(pages[0])[-1], ids(pages[0])[3], ids(pages[1])[2]]
    async with database.transaction() as session:
        await session.execute(delete(Service).where(Service.id.in_([UUID(one) for one in gone])))
    following = await get(sort, 7, pages[0]["next_page"])
    expected = [one for one in ids(*pages[1:]) if one not in gone]
    assert ids(following) == expected[:7]
    rest = [following]
    while rest[-1]["next_page"]:
        rest.append(await get(sort, 7, rest[-1]["next_page"]))
    assert ids(*rest) == expected


@pytest.mark.parametrize("sort", SORTS)
async def test_rows_that_come_between_two_pages(get: Get, database: Database, ada: Person, sort: str) -> None:
    pages = await walk(get, sort, 7)
    async with database.transaction() as session:
        session.add_all([service(ada, COUNT + number) for number in range(5)])
    seen = ids(pages[0])
    cursor = pages[0]["next_page"]
    while cursor:
        page = await get(sort, 7, cursor)
        seen += ids(page)
        cursor = page["next_page"]
    assert len(seen) == len(set(seen))
    # Whatever was there before is met; of the new ones, those that lie ahead.
    assert set(seen) >= set(ids(*pages))


async def test_filters_hold_on_every_page(get: Get) -> None:
    pages = await walk(get, "-created_at", 5, status="running")
    rows = [item for page in pages for item in page["items"]]
    assert len(rows) == COUNT // 2
    assert {row["status"] for row in rows} == {"running"}
    found = await get("name", 100, q="s00")
    assert found["items"]
    assert all("s00" in row["name"] for row in found["items"])
    # A pattern is a text: nothing is escaped because nothing is special.
    assert (await get("name", 100, q="%"))["items"] == []
    assert (await get("name", 100, q="s_0"))["items"] == []


async def test_nothing_there(get: Get) -> None:
    page = await get("name", 10, status="crashed")
    assert (page["items"], page["next_page"], page["previous_page"]) == ([], None, None)
    beyond = (await walk(get, "name", 57))[-1]
    assert beyond["next_page"] is None


async def test_a_cursor_is_of_one_sort_and_of_one_list(get: Get, database: Database) -> None:
    cursor = (await get("name", 5))["next_page"]
    for sort in ("-name", "created_at", "-created_at"):
        with pytest.raises(BadRequest) as refused:
            await get(sort, 5, cursor)
        assert refused.value.code == "bad_cursor"
    cursor = (await get("-created_at", 5))["next_page"]
    with pytest.raises(BadRequest):
        await JOBS.page(await database.reader(), Query("-created_at", 5, cursor, {}))


async def test_a_cursor_is_a_place_and_no_permission(
    get: Get, database: Database, user_factory: UserFactory
) -> None:
    """The filters are those of whoever asks."""
    other = await user_factory()
    cursor = (await get("-created_at", 5))["next_page"]
    mine = {"project_ids": [str(other.project_id)]}
    page = json.loads(await SERVICES.page(await database.reader(), Query("-created_at", 5, cursor, mine)))
    assert page["items"] == []


@pytest.mark.parametrize("sort", SORTS)
async def test_a_late_page_reads_no_more_than_the_first(
    get: Get, database: Database, ada: Person, sort: str
) -> None:
    """The plan walks an index from where the cursor points; it neither sorts nor skips."""
    cursor = (await walk(get, sort, 7))[5]["next_page"]
    sql, values = SERVICES.statement(Query(sort, 7, cursor, {"project_id": str(ada.project_id)}))
    # Equal values are told apart by the id, whatever index is used.
    assert re.search(r"ORDER BY services\.\w+( DESC| ASC), services\.id\1", " ".join(sql.split())), sql
    async with (await database.reader()).acquire() as connection:
        await connection.execute("SET enable_seqscan = off")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *values))
        await connection.execute("RESET enable_seqscan")
    services = plan.partition("SubPlan")[0]
    assert "Index" in services, plan
    assert "Sort" not in services, plan
