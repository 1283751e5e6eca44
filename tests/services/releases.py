"""A service whose deployments go live by decree, for tests that need releases and no worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from backend.config import Settings
from backend.database import Database
from backend.services.dao import DeploymentDAO, ServiceDAO
from backend.services.models import Deployment, DeploymentState
from tests.api.operations import order_body
from tests.support.builds import pretend_build
from tests.support.people import Person


@dataclass
class Harbour:
    """A service of Ada's whose deployments go live by decree."""

    client: httpx.AsyncClient
    database: Database
    settings: Settings
    ada: Person
    service_id: str = ""
    made: list[str] = field(default_factory=list)
    """Ids of its deployments, oldest first."""

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {**self.ada.headers, **headers}
        return await self.client.request(method, f"/api/v1{path}", json=body, headers=sent)

    async def order(self, **changes: Any) -> None:
        answer = await self.ask("POST", "/orders", {**order_body(), **changes})
        assert answer.status_code == 202, answer.text
        self.service_id = answer.json()["service_id"]
        await self.live(answer.json()["deployment_id"])

    async def deploy(self) -> str:
        answer = await self.ask("POST", f"/services/{self.service_id}/deployments", {})
        assert answer.status_code == 202, answer.text
        return await self.live(answer.json()["deployment_id"])

    async def live(self, deployment_id: str) -> str:
        """As the worker leaves it: built, checked, serving."""
        self.made.append(deployment_id)
        async with self.database.transaction() as session:
            row = await DeploymentDAO(session).get_locked(UUID(deployment_id))
            service = await ServiceDAO(session).get_locked(UUID(self.service_id))
            assert row
            assert service
            row.state, row.build_kept = DeploymentState.LIVE, row.build_id == row.id
            row.command, row.commit = row.command or "serve", row.commit or f"{row.number:040d}"
            service.live_deployment_id = row.id
        if row.build_kept:
            pretend_build(self.settings.engine_home, deployment_id)
        return deployment_id

    async def roll_back(self, deployment_id: str, **headers: str) -> httpx.Response:
        body = {"deployment_id": deployment_id}
        return await self.ask("POST", f"/services/{self.service_id}/rollbacks", body, **headers)

    async def shown(self, deployment_id: str) -> dict[str, Any]:
        answer = await self.ask("GET", f"/deployments/{deployment_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def row(self, deployment_id: str) -> Deployment:
        async with self.database.transaction() as session:
            row = await DeploymentDAO(session).get(UUID(deployment_id))
            assert row
            return row

    async def variables(self, **variables: str | None) -> None:
        path = f"/services/{self.service_id}/variables"
        answer = await self.ask("PUT", path, {"variables": variables})
        assert answer.status_code == 200, answer.text

    async def offered(self) -> list[int]:
        """Numbers of the releases that say they can be rolled back to."""
        answer = await self.ask("GET", f"/services/{self.service_id}/deployments?size=100")
        return sorted(one["number"] for one in answer.json()["items"] if one["can_roll_back"])
