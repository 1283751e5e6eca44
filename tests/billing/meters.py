"""Services whose life is dictated, and their bills: for tests of metering without anything that runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, select

from backend.billing.metering import events, rating
from backend.billing.metering.dao import MeterDAO
from backend.billing.metering.models import (
    PLAN,
    UsageCharge,
    UsageEvent,
    UsageKind,
    UsageMeter,
    UsageRecord,
)
from backend.billing.prices.models import Price
from backend.config import Settings
from backend.database import Database
from backend.services.models import Deployment, Desired, Service, ServiceProcess, ServiceStatus
from backend.volumes.models import Volume

MONTH = 2800
"""The plan's price that most of these tests go by: 100 a day."""
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    """`at("2026-03-01")`, `at("2026-03-01 10:00")`, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass
class Fleet:
    """Services of one project."""

    database: Database
    settings: Settings
    project_id: UUID

    async def price(self, month_minor: int, currency: str = "EUR", plan: str = "dinghy") -> UUID:
        async with self.database.transaction() as session:
            price = Price(
                id=uuid4(),
                plan_id=plan,
                currency=currency,
                month_minor=month_minor,
                setup_minor=0,
                # Each its own version; the newest of them is of no interest here.
                valid_from=datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=uuid4().int % 10**8),
                existing="keep",
                source="admin",
            )
            session.add(price)
        return price.id

    async def ship(self, price_id: UUID | None = None, name: str = "") -> Ship:
        """A service with a release, that nobody started yet."""
        price_id = price_id or await self.price(MONTH)
        service_id, deployment_id = uuid4(), uuid4()
        async with self.database.transaction() as session:
            session.add(
                Service(
                    id=service_id,
                    project_id=self.project_id,
                    name=name or f"ship-{service_id.hex[:12]}",
                    template_id="git-app",
                    plan_id="dinghy",
                    price_id=price_id,
                    repo_url="https://git.example.com/me/hello.git",
                    health_path="/",
                    desired=Desired.STOPPED,
                    status=ServiceStatus.STOPPED,
                )
            )
            await session.flush()
            session.add(
                Deployment(
                    id=deployment_id,
                    service_id=service_id,
                    number=1,
                    trigger="order",
                    state="live",
                    repo_url="https://git.example.com/me/hello.git",
                    health_path="/",
                    plan_id="dinghy",
                    build_id=deployment_id,
                )
            )
            await session.flush()
            service = await session.get(Service, service_id)
            assert service
            service.live_deployment_id = deployment_id
        return Ship(self, service_id)

    async def bill(self, moment: str | datetime) -> None:
        """The periodic run, as if it was that moment."""
        moment = at(moment) if isinstance(moment, str) else moment
        await rating.run(self.settings, self.database, at=moment, silence=timedelta())


@dataclass
class Ship:
    fleet: Fleet
    id: UUID

    async def becomes(self, moment: str | datetime, **values: Any) -> tuple[UsageEvent, ...]:
        moment = at(moment) if isinstance(moment, str) else moment
        async with self.fleet.database.transaction() as session:
            service = await session.get(Service, self.id, with_for_update=True)
            assert service
            for name, value in values.items():
                setattr(service, name, value)
            await session.flush()
            return await events.follow(session, service, at=moment)

    async def has(self, moment: str | datetime, *, units: int = 1, volume: int = 0, **values: Any) -> None:
        """So many units and GiB from then on."""
        async with self.fleet.database.transaction() as session:
            await session.execute(delete(ServiceProcess).where(ServiceProcess.service_id == self.id))
            await session.execute(delete(Volume).where(Volume.service_id == self.id))
            session.add(ServiceProcess(service_id=self.id, name="worker", replicas=units - 1))
            if volume:
                size = volume * 2**30
                values_ = {"project_id": self.fleet.project_id, "service_id": self.id, "size_bytes": size}
                session.add(Volume(name="data", path="/data", **values_))
        await self.becomes(moment, **values)

    async def start(self, moment: str | datetime) -> None:
        await self.becomes(moment, desired=Desired.RUNNING, status=ServiceStatus.RUNNING)

    async def stop(self, moment: str | datetime) -> None:
        await self.becomes(moment, desired=Desired.STOPPED, status=ServiceStatus.STOPPED)

    async def resize(self, moment: str | datetime, price_id: UUID) -> None:
        await self.becomes(moment, price_id=price_id)

    async def late(
        self,
        moment: str | datetime,
        kind: UsageKind,
        price_id: UUID | None,
        *,
        meter: str = PLAN,
        quantity: int = 1,
    ) -> None:
        """An event that is heard of after others that came later."""
        moment = at(moment) if isinstance(moment, str) else moment
        async with self.fleet.database.transaction() as session:
            found = await MeterDAO(session).of(self.id, meter)
            assert found
            await events.write(session, found, kind, price_id, moment, quantity=quantity)

    async def events(self) -> list[tuple[str, datetime]]:
        rows = await self._all(UsageEvent, UsageEvent.number)
        return [(row.kind, row.occurred_at) for row in rows]

    async def records(self) -> list[UsageRecord]:
        return await self._all(UsageRecord, UsageRecord.id)

    async def charges(self) -> list[UsageCharge]:
        return await self._all(UsageCharge, UsageCharge.day, UsageCharge.id)

    async def meter(self) -> UsageMeter:
        (meter,) = await self._all(UsageMeter, UsageMeter.meter)
        return meter

    async def days(self) -> dict[date, int]:
        """What each day cost."""
        found: dict[date, int] = {}
        for charge in await self.charges():
            found[charge.day] = found.get(charge.day, 0) + charge.amount
        return found

    async def cost(self, meter: str | None = None) -> int:
        """Of all that it has, or of one meter."""
        return sum(one.amount for one in await self.charges() if meter in (None, one.meter))

    async def _all(self, model: Any, *order: Any) -> list[Any]:
        async with self.fleet.database.transaction() as session:
            rows = await session.scalars(select(model).where(model.service_id == self.id).order_by(*order))
            return list(rows)
