"""A change of a service: what is left out stays as it is, and a null clears."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.services.conftest import Ask, refused
from tests.support.people import Person

WEB = "https://git.example.com/me/hello.git"
Patch = Callable[[dict[str, Any]], Awaitable[httpx.Response]]


@pytest.fixture
async def patch(client: httpx.AsyncClient, ada: Person, order: Ask) -> Patch:
    """Of a service with a source of its own."""
    ordered = await order(source={"repo_url": WEB, "ref": "next", "root": "apps/web"})
    path = f"/api/v1/services/{ordered.json()['service']['id']}"

    async def change(body: dict[str, Any]) -> httpx.Response:
        return await client.patch(path, json=body, headers=ada.headers)

    return change


async def test_of_the_source(patch: Patch) -> None:
    other = "https://git.example.com/me/other.git"
    for given, kept in (
        ({}, (WEB, "next", "apps/web")),
        ({"repo_url": other}, (other, "next", "apps/web")),
        ({"ref": None}, (other, None, "apps/web")),
        ({"ref": "main"}, (other, "main", "apps/web")),
        ({"root": None}, (other, "main", "")),
        ({"root": "/a/"}, (other, "main", "a")),
    ):
        answer = await patch({"source": given})
        assert answer.status_code == 200, answer.text
        assert tuple(answer.json()["source"][name] for name in ("repo_url", "ref", "root")) == kept


async def test_of_the_health_path(patch: Patch) -> None:
    await patch({"health_path": "/health"})
    assert (await patch({"source": {"root": "a"}})).json()["health_path"] == "/health"
    assert (await patch({"health_path": None})).json()["health_path"] == "/"


@pytest.mark.parametrize("body", [{"source": None}, {"source": {"repo_url": None}}, {"plan_id": None}])
async def test_what_cannot_be_cleared(patch: Patch, body: dict[str, Any]) -> None:
    refused(await patch(body), "invalid")
