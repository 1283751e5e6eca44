"""A service with its webhook, and the people's side of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from tests.hooks.senders import Sent
from tests.support.people import Person


@dataclass
class Pushed:
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
