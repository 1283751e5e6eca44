"""What every answer and every body have in common, as somebody who looks for a way in sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from backend.config import Settings
from backend.database import Database
from tests.api.operations import Operation, is_problem
from tests.support.people import Person
from tests.support.streams import Impatient
from tests.support.undo import undone

BOUNDS = {"maxLength", "enum", "format", "const", "pattern"}
"""One of these says how long a text can be."""
PUBLISHED = {"oauth_jwks"}
"""Which a cache may keep."""


@pytest.fixture
async def impatient(app: FastAPI, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=Impatient(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=settings.panel_url) as client:
        yield client


async def test_nobody_keeps_what_is_somebodys(
    impatient: httpx.AsyncClient,
    walk: list[Operation],
    objects: dict[str, str],
    owner: Person,
    database: Database,
) -> None:
    """Right or wrong, no cache stores it, and no tag tells that it changed."""
    for operation in walk:
        for headers in ({}, owner.headers):
            async with undone(database):
                answer = await operation.call(impatient, objects, headers=headers)
            kept = answer.headers["cache-control"]
            assert kept in ("no-store", "no-cache") or operation.id in PUBLISHED, (operation.id, kept)
            assert not {"etag", "last-modified", "server", "x-powered-by"} & set(answer.headers), operation.id
            if not operation.path.startswith("/oauth/"):
                assert "set-cookie" not in answer.headers, operation.id


async def test_paths_that_are_none(client: httpx.AsyncClient, owner: Person) -> None:
    for path in ("/api", "/api/", "/api/v1", "/api/v1/", "/api/v1/services/", "/api/v1//services", "/oauth"):
        answer = await client.get(path, headers=owner.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
        assert is_problem(answer)


async def test_methods_that_are_none(
    client: httpx.AsyncClient, walk: list[Operation], objects: dict[str, str], owner: Person
) -> None:
    known: dict[str, set[str]] = {}
    for operation in walk:
        known.setdefault(operation.path, set()).add(operation.method)
    for operation in walk:
        for method in {"DELETE", "PATCH", "PUT", "TRACE", "OPTIONS"} - known[operation.path]:
            answer = await client.request(method, operation.at(objects), headers=owner.headers)
            assert answer.status_code == 405, (method, operation.path)
            assert answer.json()["code"] == "method_not_allowed"
            assert is_problem(answer)
            assert set(answer.headers["allow"].split(", ")) == known[operation.path]


async def test_bodies_that_are_no_text(
    client: httpx.AsyncClient, walk: list[Operation], objects: dict[str, str], owner: Person
) -> None:
    for operation in walk:
        if "application/json" not in operation.document.get("requestBody", {}).get("content", {}):
            continue
        for body in (b"\xff\xfe", b'{"a": "\xed\xa0\x80"}', b"{", b"", b"[" * 100_000, b"1" * 10_000):
            answer = await client.request(
                operation.method,
                operation.at(objects),
                content=body,
                headers={**owner.headers, "Content-Type": "application/json"},
            )
            told = (operation.id, body[:10], answer.status_code)
            # Some bodies may be left out: what then stands in the way is something else.
            fine = answer.status_code < 400 or answer.status_code == 409
            assert answer.status_code in (403, 404, 422) or (body == b"" and fine), told
            assert operation.declares(answer), told


async def test_nothing_asked_becomes_a_header(
    impatient: httpx.AsyncClient, walk: list[Operation], objects: dict[str, str], owner: Person
) -> None:
    injected = "x\r\nSet-Cookie: a=b\r\nX-Injected: 1\r\n\r\n"
    for operation in walk:
        if operation.method != "GET":
            continue
        for name in operation.parameters:
            answer = await operation.call(impatient, objects, headers=owner.headers, params={name: injected})
            assert "x-injected" not in answer.headers, operation.id
            assert not any("\r" in value or "\n" in value for value in answer.headers.values()), operation.id


def test_bodies_take_no_fields_that_they_do_not_know(app: FastAPI, walk: list[Operation]) -> None:
    """So a field of the model behind cannot be set along with those of the form.

    Credentials are what browsers say, variables have names of their own.
    """
    schemas = app.openapi()["components"]["schemas"]
    for operation in walk:
        content = operation.document.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            for schema in _objects(content["application/json"]["schema"], schemas):
                if "properties" in schema:
                    assert schema.get("additionalProperties") is False, (operation.id, schema.get("title"))


def _objects(schema: dict[str, Any], schemas: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if reference := schema.get("$ref"):
        yield from _objects(schemas[reference.rpartition("/")[2]], schemas)
        return
    yield schema
    for inner in (*schema.get("anyOf", ()), *schema.get("properties", {}).values()):
        yield from _objects(inner, schemas)
    if "items" in schema:
        yield from _objects(schema["items"], schemas)


def test_lists_and_texts_have_an_end(app: FastAPI, walk: list[Operation]) -> None:
    """Whatever is taken in has a longest and a largest, so that none of it fills a disk or a memory."""
    schemas = app.openapi()["components"]["schemas"]
    endless = set()
    for operation in walk:
        content = operation.document.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            for schema in _objects(content["application/json"]["schema"], schemas):
                if schema.get("type") == "string" and not schema.keys() & BOUNDS:
                    endless.add((operation.id, schema.get("title", "-")))
                if schema.get("type") == "array" and "maxItems" not in schema:
                    endless.add((operation.id, schema.get("title", "-")))
    assert endless == set()
