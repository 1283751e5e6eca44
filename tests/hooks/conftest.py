"""A service of Ada's that pushes deploy, as far as its jobs; nothing works on those."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI

from tests.hooks.previewed import Previewed
from tests.hooks.pushed import Pushed
from tests.services.conftest import order_body
from tests.support.people import Person, UserFactory

URL = "https://git.example.com/me/hello.git"


Make = Callable[..., Awaitable[Pushed]]


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory()


@pytest.fixture
async def eve(user_factory: UserFactory) -> Person:
    return await user_factory()


@pytest.fixture
def make(client: httpx.AsyncClient, app: FastAPI) -> Make:
    async def ordered(owner: Person, *, ref: str | None = "main", url: str = URL) -> Pushed:
        body = order_body(source={"repo_url": url, "ref": ref})
        answer = await client.post("/api/v1/orders", json=body, headers=owner.headers)
        assert answer.status_code == 202, answer.text
        return Pushed(client, app, owner, answer.json()["service_id"])

    return ordered


@pytest.fixture
async def pushed(make: Make, ada: Person) -> Pushed:
    """On, of the branch `main`."""
    made = await make(ada)
    await made.new_secret()
    await made.set(enabled=True)
    return made


@pytest.fixture
async def service(make: Make, ada: Person) -> Previewed:
    """With previews on."""
    made = Previewed(**vars(await make(ada)))
    await made.new_secret()
    await made.settings(enabled=True)
    return made
