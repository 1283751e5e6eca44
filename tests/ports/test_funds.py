"""Without money for the first month there is neither port nor volume; what is given up is released."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from backend.billing.ledger import standing
from backend.config import Settings
from tests.services.releases import Harbour


@pytest.fixture
def settings(settings_of: Callable[..., Settings]) -> Settings:
    return settings_of(credit_limit_minor=1_000)


async def held(harbour: Harbour) -> int:
    async with harbour.database.transaction() as session:
        (present,) = await standing.of(session, UUID(str(harbour.ada.project_id)), "EUR")
        return int(present.held)


async def test_held_before_and_released_after(harbour: Harbour) -> None:
    await harbour.order()
    path, before = f"/services/{harbour.service_id}", await held(harbour)
    shown = (await harbour.ask("GET", f"{path}/public-port")).json()
    assert shown["price"]["month_minor"] > 0
    answer = await harbour.ask("POST", f"{path}/public-port")
    assert answer.status_code == 201, answer.text
    assert await held(harbour) >= before + shown["price"]["month_minor"]
    assert (await harbour.ask("DELETE", f"{path}/public-port")).status_code == 204
    assert await held(harbour) == before
    body: dict[str, Any] = {"name": "data", "path": "/data", "size_gib": 100}
    answer = await harbour.ask("POST", f"{path}/volumes", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_funds")
    assert (await harbour.ask("GET", f"{path}/volumes")).json()["items"] == []
