"""An owner with one of everything, and people to whom none of it belongs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from backend.database import Database
from tests.api.operations import Operation, operations, order_body
from tests.support.people import Person, UserFactory


@pytest.fixture
def walk(app: FastAPI) -> list[Operation]:
    found = operations(app)
    assert len(found) > 30
    return found


@pytest.fixture
async def owner(user_factory: UserFactory) -> Person:
    return await user_factory()


@pytest.fixture
async def stranger(user_factory: UserFactory) -> Person:
    return await user_factory()


@pytest.fixture
async def objects(client: httpx.AsyncClient, owner: Person) -> dict[str, str]:
    """The ids of what the owner has, by the names that paths use."""
    answer = await client.post("/api/v1/orders", json=order_body(), headers=owner.headers)
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    return {
        "project_id": str(owner.project_id),
        "service_id": accepted["service_id"],
        "deployment_id": accepted["deployment_id"],
        "job_id": accepted["job_id"],
    }


@pytest.fixture
def everything(database: Database) -> Callable[[], Awaitable[dict[str, list[Any]]]]:
    """All rows of what customers own."""

    async def read() -> dict[str, list[Any]]:
        tables = ("services", "service_variables", "deployments", "orders", "jobs", "projects")
        async with database.transaction() as session:
            return {
                table: sorted((await session.execute(text(f"SELECT t::text FROM {table} t"))).scalars())
                for table in tables
            }

    return read
