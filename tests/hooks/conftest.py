"""A service of Ada's that pushes deploy, as far as its jobs; nothing works on those."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.hooks.senders import Sent
from tests.services.conftest import order_body
from tests.support.people import Person, UserFactory

URL = "https://git.example.com/me/hello.git"


@dataclass
class Pushed:
    """The service with its webhook, and the people's side of both."""

    client: httpx.AsyncClient
    app: FastAPI
    owner: Person
    service_id: str
    url: str = ""
    secret: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/api/v1/services/{self.service_id}/push"

    async def ask(
        self, method: str, path: str = "", body: Any = None, who: Person | None = None
    ) -> httpx.Response:
        headers = (who or self.owner).headers
        return await self.client.request(method, self.path + path, json=body, headers=headers)

    async def new_secret(self) -> None:
        answer = await self.ask("POST", "/secret")
        assert answer.status_code == 201, answer.text
        self.url, self.secret = answer.json()["url"], answer.json()["secret"]

    async def new_address(self) -> str:
        answer = await self.ask("POST", "/deploy-hook")
        assert answer.status_code == 201, answer.text
        url: str = answer.json()["url"]
        return url

    async def set(self, **wanted: Any) -> None:
        answer = await self.ask("PATCH", body=wanted)
        assert answer.status_code == 200, answer.text

    async def send(self, sent: Sent, url: str | None = None) -> httpx.Response:
        headers, content = sent
        return await self.client.post(url or self.url, content=content, headers=headers | self.headers)

    async def got(self, sent: Sent) -> dict[str, Any]:
        """What a forge is answered that was believed."""
        answer = await self.send(sent)
        assert answer.status_code == 202, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def deliveries(self) -> list[dict[str, Any]]:
        """Newest first, with what is written behind the answers."""
        hooks = getattr(self.app.state, "hooks", None)
        if hooks is not None:
            await hooks.receiver.refusals.close()
        answer = await self.ask("GET", "/deliveries")
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def deployments(self) -> list[dict[str, Any]]:
        path = f"/api/v1/services/{self.service_id}/deployments"
        answer = await self.client.get(path, headers=self.owner.headers)
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


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
