"""Stacks through the application, with a template of two services and an engine that takes images."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.catalogue import loading
from backend.config import Settings
from backend.database import Database
from backend.engines.process import ProcessEngine
from backend.services.dao import DeploymentDAO, ServiceDAO
from backend.services.models import DeploymentState, ServiceStatus
from backend.stacks import library, membership, ordering, router, upgrading, views, waiting
from tests.support.people import Person, UserFactory

FIRST = """
id = "tides"
version = 1
icon = "box"
title = { en = "Tides", ru = "Приливы" }
description = { en = "An app and its database.", ru = "Приложение и его база." }

[parameters.harbour]
type = "text"
title = { en = "Harbour", ru = "Гавань" }
default = "Aden"
pattern = "[A-Za-z]+"

[parameters.token]
type = "secret"
title = { en = "Token", ru = "Токен" }

[parameters.workers]
type = "number"
title = { en = "Workers", ru = "Исполнители" }
default = 1
minimum = 0
maximum = 3

[secrets.password]
title = { en = "Password", ru = "Пароль" }

[services.app]
title = { en = "App", ru = "Приложение" }
image = "registry.example.com/tides:1.0"
main = true
public = true
plan = "cutter"
port = 3000
needs = ["db"]
health = { path = "/health" }
processes = { worker = { command = "tides worker", replicas = "${parameter.workers}" } }

[services.app.environment]
DATABASE_URL = "postgres://tides:${secret.password}@${service.db.host}:${service.db.port}/tides"
PUBLIC_URL = "${service.app.url}/"
HARBOUR = "${parameter.harbour}"
TOKEN = "${parameter.token}"

[services.db]
title = { en = "Database", ru = "База данных" }
image = "registry.example.com/postgres:17.5"
plan = "dinghy"
port = 5432
user = "postgres"
health = { kind = "tcp" }

[services.db.environment]
POSTGRES_PASSWORD = "${secret.password}"

[services.db.volumes.data]
path = "/var/lib/postgresql/data"
size_gib = 2
"""
SECOND = (
    FIRST.replace("version = 1\n", 'version = 2\nchanges = { en = "Faster.", ru = "Быстрее." }\n')
    .replace("postgres:17.5", "postgres:17.6")
    .replace("tides:1.0", "tides:2.0")
    .replace('HARBOUR = "', 'SAILS = "${secret.sails}"\nHARBOUR = "')
    .replace("[services.app]", '[secrets.sails]\ntitle = { en = "Sails", ru = "Паруса" }\n\n[services.app]')
)
Ask = Callable[..., Awaitable[httpx.Response]]


class Templates:
    """A folder of templates that the application is given in place of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, version: int, text: str) -> None:
        (self.folder / "tides").mkdir(parents=True, exist_ok=True)
        (self.folder / "tides" / f"{version}.toml").write_text(text)

    def library(self) -> library.Library:
        return library.read(self.folder)


@pytest.fixture
async def templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Database, settings: Settings
) -> Templates:
    made = Templates(tmp_path)
    made.write(1, FIRST)
    for module in (loading, ordering, upgrading, membership, views, router):
        monkeypatch.setattr(module, "library", made.library)
    monkeypatch.setattr(ProcessEngine, "abilities", ProcessEngine.abilities | {"images"})
    async with database.transaction() as session:
        await loading.load(session, settings)
    return made


@pytest.fixture
async def ada(user_factory: UserFactory) -> Person:
    return await user_factory()


class Quay:
    """What Ada does with stacks; services go live by decree."""

    def __init__(self, client: httpx.AsyncClient, database: Database, ada: Person) -> None:
        self.client, self.database, self.ada = client, database, ada

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {**self.ada.headers, **headers}
        return await self.client.request(method, f"/api/v1{path}", json=body, headers=sent)

    async def order(self, **changes: Any) -> httpx.Response:
        body = {"template_id": "tides", "name": f"t-{uuid4().hex[:10]}", **changes}
        return await self.ask("POST", "/stacks", body)

    async def ordered(self, **changes: Any) -> dict[str, Any]:
        answer = await self.order(**changes)
        assert answer.status_code == 202, answer.text
        return dict(answer.json()["stack"])

    async def shown(self, stack_id: str) -> dict[str, dict[str, Any]]:
        """Its services by part."""
        answer = await self.ask("GET", f"/stacks/{stack_id}")
        assert answer.status_code == 200, answer.text
        return {one["part"]: one for one in answer.json()["services"]}

    async def end(self, stack_id: str, part: str, state: DeploymentState = DeploymentState.LIVE) -> None:
        """As a worker leaves the newest deployment of that service."""
        one = (await self.shown(stack_id))[part]
        async with self.database.transaction() as session:
            await self.leave(session, one, state)

    @staticmethod
    async def leave(
        session: AsyncSession, one: dict[str, Any], state: DeploymentState = DeploymentState.LIVE
    ) -> None:
        service = await ServiceDAO(session).get_locked(UUID(one["id"]))
        deployment = await DeploymentDAO(session).get_locked(UUID(one["deployment_id"]))
        assert service
        assert deployment
        deployment.state = state
        if state is DeploymentState.LIVE:
            service.live_deployment_id = deployment.id
            service.becomes(ServiceStatus.RUNNING)
            await waiting.went_live(session, service)
        else:
            await waiting.failed(session, service)
        for job in await waiting.JobDAO(session).open_of(service.id):
            job.state = "succeeded" if state is DeploymentState.LIVE else "failed"

    async def variables(self, service_id: str) -> dict[str, str]:
        async with self.database.transaction() as session:
            return await waiting.lifecycle.variables_of(session, UUID(service_id))


@pytest.fixture
def quay(client: httpx.AsyncClient, database: Database, ada: Person, templates: Templates) -> Quay:
    return Quay(client, database, ada)


async def give_credit(database: Database, quay: Quay, minor: int) -> None:
    statement = (
        "INSERT INTO billing_profiles (project_id, currency, credit_limit_minor) VALUES (:id, 'EUR', :minor)"
        " ON CONFLICT (project_id) DO UPDATE SET credit_limit_minor = :minor"
    )
    async with database.transaction() as session:
        await session.execute(text(statement), {"id": quay.ada.project_id, "minor": minor})
