"""The order form says what can be deployed, which is more where services run in containers."""

from __future__ import annotations

from typing import Literal

import httpx
import pytest

from backend.catalogue.loading import load
from backend.config import Settings
from backend.database import Database


@pytest.mark.parametrize(("engine", "told"), [("docker", True), ("process", False)])
async def test_a_dockerfile_is_named_where_it_counts(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    engine: Literal["docker", "process"],
    told: bool,
) -> None:
    async with database.transaction() as session:
        await load(session, settings.model_copy(update={"engine": engine}))
    offered = (await client.get("/api/v1/templates")).json()["items"]
    [description] = [item["description"] for item in offered if item["id"] == "git-app"]
    assert all(("Dockerfile" in description[language]) is told for language in ("en", "ru"))
