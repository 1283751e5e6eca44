"""Errors as they leave: RFC 9457 documents that programs and people can read, and that tell no secret."""

from __future__ import annotations

from typing import Annotated

import asyncpg
import httpx
import pytest
from fastapi import APIRouter, FastAPI, Query
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from backend import exceptions
from backend.context import SessionDep
from backend.database import Database, is_away
from backend.exceptions import GavanError
from tests.api.operations import is_problem

SECRET = "hunter2-and-more"
router = APIRouter(prefix="/test")

ERRORS = [
    value
    for value in vars(exceptions).values()
    if isinstance(value, type) and issubclass(value, GavanError) and value is not GavanError
]


@router.get("/typed/{name}")
async def typed(name: str) -> None:
    error: type[GavanError] = getattr(exceptions, name)
    raise error("What happened, for people.", headers={"Retry-After": "3"})


@router.get("/unexpected")
async def unexpected(password: str) -> None:
    raise RuntimeError(f"it is {password}")


@router.get("/http/{status}")
async def http(status: int) -> None:
    raise HTTPException(status, "as said")


@router.get("/fields")
async def fields(password: Annotated[str, Query(max_length=3)], size: int) -> None: ...


@router.get("/half-way")
async def half_way(session: SessionDep) -> None:
    await session.execute(text("CREATE TABLE half_way (x int)"))
    raise exceptions.Conflict("changed my mind")


@router.get("/away/{kind}")
async def away(kind: str) -> None:
    raise AWAY[kind]


@router.get("/broken-stream")
async def broken_stream() -> StreamingResponse:
    async def pieces():  # type: ignore[no-untyped-def]
        yield b"one"
        raise RuntimeError(SECRET)

    return StreamingResponse(pieces())


AWAY: dict[str, Exception] = {
    "refused": ConnectionRefusedError(),
    "reset": ConnectionResetError(),
    "no socket": FileNotFoundError(2, "No such file or directory"),
    "starting": asyncpg.CannotConnectNowError("starting up"),
    "closed": asyncpg.ConnectionDoesNotExistError("closed in the middle"),
    "ended": asyncpg.AdminShutdownError("terminating"),
    "unusable": asyncpg.InterfaceError("connection is closed"),
    "cut off": asyncpg.InternalClientError("cannot switch to state 12"),
    "no connection free": PoolTimeout("pool limit"),
    "invalidated": DBAPIError("SELECT 1", {}, Exception(), connection_invalidated=True),
}
PRESENT: list[Exception] = [
    FileNotFoundError(2, "No such file or directory", "/etc/nothing"),
    ValueError("x"),
    asyncpg.UniqueViolationError("twice"),
    DBAPIError("SELECT 1", {}, Exception()),
    TimeoutError(),
]


@pytest.fixture
async def client(app: FastAPI, client: httpx.AsyncClient) -> httpx.AsyncClient:
    app.include_router(router)
    return client


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
async def test_typed(client: httpx.AsyncClient, kind: type[GavanError]) -> None:
    answer = await client.get(f"/test/typed/{kind.__name__}")
    assert answer.status_code == kind.status
    assert is_problem(answer)
    body = answer.json()
    assert (body["code"], body["title"], body["detail"]) == (
        kind.code,
        kind.title,
        "What happened, for people.",
    )
    assert answer.headers["retry-after"] == "3"
    assert ("www-authenticate" in answer.headers) == (kind.status == 401)


def test_codes_are_stable() -> None:
    """Programs tell errors apart by these: a change is a new version of the API."""
    assert {kind.__name__: (kind.status, kind.code) for kind in ERRORS} == {
        "BadRequest": (400, "bad_request"),
        "Unauthorized": (401, "unauthorized"),
        "Forbidden": (403, "forbidden"),
        "NotFound": (404, "not_found"),
        "Conflict": (409, "conflict"),
        "ContentTooLarge": (413, "content_too_large"),
        "Invalid": (422, "invalid"),
        "TooManyRequests": (429, "too_many_requests"),
        "Unavailable": (503, "unavailable"),
    }


async def test_what_nobody_foresaw(client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    answer = await client.get("/test/unexpected", params={"password": SECRET})
    assert answer.status_code == 500
    assert is_problem(answer)
    assert answer.json()["code"] == "internal_error"
    assert SECRET not in answer.text
    assert "RuntimeError" not in answer.text
    logged = capsys.readouterr().out
    assert "unhandled error on GET /test/unexpected" in logged
    assert "RuntimeError" in logged
    assert f"password={SECRET}" not in logged


@pytest.mark.parametrize("status", [400, 404, 405, 418, 500])
async def test_errors_of_the_framework(client: httpx.AsyncClient, status: int) -> None:
    answer = await client.get(f"/test/http/{status}")
    assert answer.status_code == status
    assert is_problem(answer)


async def test_fields_are_named_and_values_are_not_repeated(client: httpx.AsyncClient) -> None:
    answer = await client.get("/test/fields", params={"password": SECRET, "size": "many"})
    assert answer.status_code == 422
    assert is_problem(answer)
    assert [error["loc"] for error in answer.json()["errors"]] == [["query", "password"], ["query", "size"]]
    assert all(set(error) == {"loc", "message", "code"} for error in answer.json()["errors"])
    assert SECRET not in answer.text
    assert "many" not in answer.text


async def test_an_error_rolls_back(client: httpx.AsyncClient, database: Database) -> None:
    assert (await client.get("/test/half-way")).status_code == 409
    async with database.transaction() as session:
        found = await session.execute(text("SELECT to_regclass('half_way')"))
        assert found.scalar_one() is None


@pytest.mark.parametrize("kind", AWAY)
async def test_a_database_that_is_away(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.get(f"/test/away/{kind}")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert is_problem(answer)
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("error", PRESENT, ids=lambda error: type(error).__name__)
def test_other_errors_are_ours(error: Exception) -> None:
    assert not is_away(error)


async def test_a_stream_that_breaks_is_not_answered_twice(client: httpx.AsyncClient) -> None:
    answer = await client.get("/test/broken-stream")
    assert (answer.status_code, answer.text) == (200, "one")
