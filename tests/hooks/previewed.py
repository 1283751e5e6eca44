"""A service whose pull requests get previews."""

from __future__ import annotations

from typing import Any

from tests.hooks.pull_senders import FORGES, Told
from tests.hooks.pushed import Pushed


class Previewed(Pushed):
    """With what the tests ask of previews."""

    async def settings(self, **wanted: Any) -> dict[str, Any]:
        path = f"/api/v1/services/{self.service_id}/previews/settings"
        answer = await self.client.patch(path, json=wanted, headers=self.owner.headers)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def told(self, told: Told, forge: str = "github", **how: Any) -> tuple[str, str | None]:
        said = await self.got(FORGES[forge](self.secret, told, **how))
        return said["outcome"], said["reason_code"]

    async def requests(self, **query: str) -> list[dict[str, Any]]:
        path = f"/api/v1/services/{self.service_id}/previews"
        answer = await self.client.get(path, params=query, headers=self.owner.headers)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def preview(self) -> dict[str, Any]:
        (request,) = await self.requests()
        shown: dict[str, Any] = request["preview"]
        return await self.get(f"/services/{shown['id']}")

    async def get(self, path: str) -> Any:
        answer = await self.client.get(f"/api/v1{path}", headers=self.owner.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()
