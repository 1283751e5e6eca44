"""Orders through the application, without anything that works on them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select

from backend.config import Settings
from backend.database import Database
from backend.jobs.models import Job
from backend.services.models import Deployment, Order, Service, ServiceVariable
from tests.services.releases import Harbour
from tests.support.people import Person, UserFactory

URL = "https://git.example.com/me/hello.git"

Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory()


def order_body(**changes: Any) -> dict[str, Any]:
    body = {
        "template_id": "git-app",
        "plan_id": "dinghy",
        "name": f"t-{uuid4().hex[:10]}",
        "source": {"repo_url": URL, "ref": "main"},
        "variables": {},
    }
    return body | changes


@pytest.fixture
def order(client: httpx.AsyncClient, ada: Person) -> Ask:
    """`await order(name="…", variables={…})`: the answer to such an order of Ada's."""

    async def ask(**changes: Any) -> httpx.Response:
        return await client.post("/api/v1/orders", json=order_body(**changes), headers=ada.headers)

    return ask


@pytest.fixture
async def harbour(client: httpx.AsyncClient, database: Database, settings: Settings, ada: Person) -> Harbour:
    return Harbour(client, database, settings, ada)


@pytest.fixture
def counted(database: Database) -> Callable[[], Awaitable[list[int]]]:
    """How many rows there are of what an order makes."""

    async def count() -> list[int]:
        async with database.transaction() as session:
            models = (Service, Deployment, Job, Order, ServiceVariable)
            return [
                (await session.execute(select(func.count()).select_from(model))).scalar_one()
                for model in models
            ]

    return count


def refused(answer: httpx.Response, code: str, *loc: str | int) -> None:
    """A problem that names the field and says what to do, in the documented shape."""
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == code, problem
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    if loc:
        assert problem["errors"][0]["loc"] == list(loc), problem
