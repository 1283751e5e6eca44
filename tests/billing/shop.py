"""A project that orders, and a worker whose engine does what it is told: builds, or fails to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import httpx
from sqlalchemy import select, update

from backend.billing.prices import editing, purchase, versions
from backend.billing.prices.models import OrderHold, Price
from backend.billing.prices.versions import PriceVersion
from backend.config import Settings
from backend.database import Database, now
from backend.engines.base import Built, Engine, EngineError, Fetched, Retry, Unit, UnitState
from backend.jobs import runner
from backend.jobs.models import Job, JobState
from backend.services.deployment import Deploy
from backend.services.models import Service
from backend.services.operations import Operations
from backend.services.routing import Edge
from tests.api.operations import order_body
from tests.support.people import Person


@dataclass
class Yard:
    """An engine and an edge without any machine."""

    builds: bool = True
    name: str = "process"
    units: dict[str, Unit] = field(default_factory=dict)

    async def inspect(self, deployment_id: str) -> Unit | None:
        return self.units.get(deployment_id)

    async def fetch(self, *_: Any) -> Fetched:
        return Fetched("a" * 40, "Show the tides")

    async def build(self, *_: Any) -> Built:
        if not self.builds:
            raise EngineError("build_failed", "It does not build.", retry=Retry.NEVER)
        return Built("procfile", "serve", 1)

    async def start(self, release: Any, _: Any) -> Unit:
        unit = Unit(release.deployment_id, release.service_id, UnitState.RUNNING, "127.0.0.1:20000")
        self.units[release.deployment_id] = unit
        return unit

    async def scale(self, release: Any, report: Any) -> list[Unit]:
        return [await self.start(release, report)]

    async def release_units(self, deployment_id: str) -> list[Unit]:
        unit = await self.inspect(deployment_id)
        return [unit] if unit else []

    async def restart(self, deployment_id: str) -> Unit:
        return self.units[deployment_id]

    async def wait_healthy(self, *_: Any, **__: Any) -> None: ...

    async def stop(self, deployment_id: str) -> None: ...

    async def remove(self, deployment_id: str) -> None: ...

    async def remove_service(self, service_id: str) -> None: ...

    async def publish(self) -> None: ...

    async def ask(self, *_: Any) -> int:
        return 200


@dataclass
class Shop:
    client: httpx.AsyncClient
    database: Database
    settings: Settings
    ada: Person
    yard: Yard = field(default_factory=Yard)

    async def ask(
        self, method: str, path: str, body: Any = None, who: Person | None = None
    ) -> httpx.Response:
        headers = (who or self.ada).headers
        return await self.client.request(method, f"/api/v1{path}", json=body, headers=headers)

    async def order(self, who: Person | None = None, **changes: Any) -> httpx.Response:
        return await self.ask("POST", "/orders", {**order_body(), **changes}, who)

    async def ordered(self, **changes: Any) -> str:
        """The id of a service that was ordered and is live."""
        answer = await self.order(**changes)
        assert answer.status_code == 202, answer.text
        await self.work()
        return str(answer.json()["service_id"])

    async def deploy(self, service_id: str) -> httpx.Response:
        return await self.ask("POST", f"/services/{service_id}/deployments", {})

    async def choose(self, service_id: str, plan_id: str) -> httpx.Response:
        return await self.ask("PATCH", f"/services/{service_id}", {"plan_id": plan_id})

    async def move(self, service_id: str, plan_id: str) -> None:
        """To another plan, and live with it."""
        answer = await self.choose(service_id, plan_id)
        assert answer.status_code == 200, answer.text
        answer = await self.deploy(service_id)
        assert answer.status_code == 202, answer.text
        await self.work()

    async def delete(self, service_id: str) -> None:
        answer = await self.ask("DELETE", f"/services/{service_id}")
        assert answer.status_code == 202, answer.text
        await self.work()

    async def work(self) -> None:
        """Do all jobs that wait, as a worker would."""
        deploy = Deploy(self.settings, self.database, cast(Engine, self.yard), cast(Edge, self.yard))
        operations = Operations(self.settings, self.database, cast(Engine, self.yard), cast(Edge, self.yard))
        deploying = runner.Kind(deploy.work, deploy.fail, deploy.cancel)
        kinds = {
            "service.deploy": deploying,
            "service.rollback": deploying,
            "service.stop": runner.Kind(operations.stop, operations.stop_failed),
            "service.restart": runner.Kind(operations.start, operations.start_failed),
            "service.start": runner.Kind(operations.start, operations.start_failed),
            "service.delete": runner.Kind(operations.delete, operations.stop_failed),
        }
        while (job_id := await self._waiting()) is not None:
            await runner.run(job_id, self.database, kinds, timedelta(seconds=60))

    async def _waiting(self) -> UUID | None:
        """Those that wait for their next attempt are not waited for."""
        async with self.database.transaction() as session:
            await session.execute(update(Job).where(Job.state == JobState.QUEUED).values(run_at=now()))
            waiting = select(Job.id).where(Job.state == JobState.QUEUED).order_by(Job.id).limit(1)
            return (await session.execute(waiting)).scalar_one_or_none()

    async def holds(self, service_id: str) -> list[OrderHold]:
        async with self.database.transaction() as session:
            statement = select(OrderHold).where(OrderHold.service_id == UUID(service_id))
            return list((await session.execute(statement.order_by(OrderHold.id))).scalars())

    async def service(self, service_id: str) -> Service:
        async with self.database.transaction() as session:
            found = await session.get(Service, UUID(service_id))
            assert found is not None
            return found

    async def pays(self, service_id: str) -> PriceVersion:
        async with self.database.transaction() as session:
            found = await versions.of_service(session, UUID(service_id))
            assert found is not None
            return found

    async def price(self, plan_id: str, month: int, setup: int = 0, **more: Any) -> Price:
        """A new version of a plan's price."""
        values = {"currency": "EUR", "valid_from": now(), **more}
        async with self.database.transaction() as session:
            wanted = editing.Version(plan_id, month_minor=month, setup_minor=setup, **values)
            return await editing.add_version(session, wanted)

    async def backdate(self, service_id: str, **by: float) -> None:
        """Let the service be deleted for so long."""
        async with self.database.transaction() as session:
            before = now() - timedelta(**by)
            statement = update(Service).where(Service.id == UUID(service_id)).values(deleted_at=before)
            await session.execute(statement)

    async def release_ended(self) -> int:
        return await purchase.release_ended(self.database, now())
