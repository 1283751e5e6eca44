"""Statements over meters, events, records and charges; the large ones are in `statements.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Date,
    Row,
    Select,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert

from backend.billing.metering.models import (
    PLAN,
    UNITS,
    UsageCharge,
    UsageEvent,
    UsageMeter,
    UsagePosition,
    UsageRecord,
)
from backend.billing.metering.statements import MARK_POSTED, PICK, RATE, READ_OUT
from backend.billing.prices.models import Price
from backend.dao.base import AnySelect, BaseDAO
from backend.services.models import Desired, Service, ServiceStatus

LOCK = "billing.metering"
"""Records are written and rated one transaction after another, so that their ids are in the order of
commits, and rating can go by them."""
RATING = "rating"
Source = Select[UUID, int]
"""Services and how much of something each has: whole numbers, at most one row a service."""


class MeterDAO(BaseDAO[UsageMeter]):
    model = UsageMeter

    async def of(self, service_id: UUID, meter: str) -> UsageMeter | None:
        """Under lock."""
        return await self.one(
            select(UsageMeter)
            .where(UsageMeter.service_id == service_id, UsageMeter.meter == meter)
            .with_for_update()
            .execution_options(populate_existing=True)
        )

    async def of_service(self, service_id: UUID) -> dict[str, UsageMeter]:
        """All of the service's, under lock."""
        statement = (
            select(UsageMeter)
            .where(UsageMeter.service_id == service_id)
            .order_by(UsageMeter.meter)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return {meter.meter: meter for meter in await self.all(statement)}

    async def kept_prices(self, service_id: UUID) -> dict[str, UUID]:
        """Of add-ons that the service has, by meter."""
        rows = await self.rows(
            select(UsageMeter.meter, UsageMeter.kept_price_id).where(
                UsageMeter.service_id == service_id, UsageMeter.kept_price_id.is_not(None)
            )
        )
        return {row.meter: row.kept_price_id for row in rows}

    async def same_item(self, one: UUID, other: UUID) -> bool:
        """Whether both are prices of one plan, or of one add-on."""
        items = select(func.count(func.coalesce(Price.plan_id, Price.addon_id).distinct())).where(
            Price.id.in_((one, other))
        )
        return bool(await self.scalar(items) == 1)

    async def pick(self, moment: datetime, hour: datetime, size: int) -> Sequence[Row[Any]]:
        """Meters to read out, under lock."""
        await self.lock(LOCK)
        return await self.rows(PICK.bindparams(moment=moment, hour=hour, size=size))

    async def read_out(self, picked: Sequence[Row[Any]], moment: datetime, hour: datetime, zone: str) -> int:
        """Write what the picked meters measured; gives how many records that were."""
        parameters = {
            "services": [row.service_id for row in picked],
            "meters": [row.meter for row in picked],
            "moment": moment,
            "hour": hour,
            "zone": zone,
        }
        written: int = await self.scalar(READ_OUT, parameters)
        return written


class EventDAO(BaseDAO[UsageEvent]):
    model = UsageEvent


class QuantityDAO(BaseDAO[UsageMeter]):
    model = UsageMeter

    async def of_service(self, sources: Mapping[str, Source], service_id: UUID) -> dict[str, int]:
        """By meter, what the sources say of the service."""
        if not sources:
            return {}
        await self.flush()
        return {row.meter: int(row.quantity) for row in await self.rows(_counted(sources, service_id))}


class ServicesDAO(BaseDAO[Service]):
    model = Service

    async def astray(
        self,
        metered: Sequence[ServiceStatus],
        sources: Mapping[str, Source],
        enabled: bool,
        after: UUID | None,
        limit: int,
    ) -> Sequence[Service]:
        """Services, under lock, whose meters do not say what they are; those in use wait for another run."""
        kept = and_(
            Service.live_deployment_id.is_not(None),
            Service.suspended_at.is_(None),
            Service.status != ServiceStatus.DELETING,
            Service.desired != Desired.DELETED,
            Service.deleted_at.is_(None),
            Service.price_id.is_not(None) if enabled else false(),
        )
        running = and_(kept, Service.desired == Desired.RUNNING, Service.status.in_(metered))
        wrong = UsageMeter.price_id.is_distinct_from(case((running, Service.price_id)))
        if sources:
            wrong = or_(wrong, Service.id.in_(_other_quantities(sources, kept, running)))
        statement = (
            select(Service)
            .outerjoin(UsageMeter, and_(UsageMeter.service_id == Service.id, UsageMeter.meter == PLAN))
            .where(wrong)
            .order_by(Service.id)
            .limit(limit)
            .with_for_update(of=Service, skip_locked=True, key_share=True)
            .execution_options(populate_existing=True)
        )
        return await self.all(statement if after is None else statement.where(Service.id > after))


def _counted(sources: Mapping[str, Source], service_id: UUID | None = None) -> CompoundSelect[Any]:
    """All sources as one: service, meter and quantity."""
    parts = []
    for meter, source in sources.items():
        rows = source.subquery()
        service, quantity = rows.columns
        part = select(service.label("service_id"), literal(meter).label("meter"), quantity.label("quantity"))
        parts.append(part if service_id is None else part.where(service == service_id))
    return union_all(*parts)


def _other_quantities(
    sources: Mapping[str, Source], kept: ColumnElement[bool], running: ColumnElement[bool]
) -> AnySelect:
    """Services that have more or less of something than is measured."""
    has = _counted(sources).subquery()
    measured = (
        select(UsageMeter.service_id, UsageMeter.meter, UsageMeter.quantity)
        .where(UsageMeter.price_id.is_not(None), UsageMeter.meter != PLAN)
        .subquery()
    )
    same = and_(has.c.service_id == measured.c.service_id, has.c.meter == measured.c.meter)
    further = func.greatest(has.c.quantity - 1, 0)
    wanted = case(
        (and_(has.c.meter == UNITS, running), further),
        (and_(has.c.meter != UNITS, kept), has.c.quantity),
        else_=0,
    )
    return (
        select(Service.id)
        .select_from(has)
        .join(measured, same, full=True)
        .join(Service, Service.id == func.coalesce(has.c.service_id, measured.c.service_id))
        .where(wanted != func.coalesce(measured.c.quantity, 0))
    )


class RatingDAO(BaseDAO[UsagePosition]):
    model = UsagePosition

    async def bounds(self, batch: int) -> tuple[int, int, int]:
        """After which record the next batch begins, with which it ends, and which is the last, under lock."""
        await self.lock(LOCK)
        await self.execute(insert(UsagePosition).values(name=RATING, record_id=0).on_conflict_do_nothing())
        after: int = await self.scalar(select(UsagePosition.record_id).where(UsagePosition.name == RATING))
        last: int = await self.scalar(select(func.coalesce(func.max(UsageRecord.id), 0)))
        return after, min(last, after + batch), last

    async def rate(self, after: int, through: int) -> None:
        await self.execute(RATE, {"after": after, "through": through})


class ChargeDAO(BaseDAO[UsageCharge]):
    model = UsageCharge

    async def next_project(self, today: date, after: UUID | None) -> UUID | None:
        """The next one that has something to be posted."""
        statement = (
            select(UsageCharge.project_id)
            .join(
                UsageMeter,
                and_(UsageMeter.service_id == UsageCharge.service_id, UsageMeter.meter == UsageCharge.meter),
            )
            .where(*_due(today))
            .order_by(UsageCharge.project_id)
            .limit(1)
        )
        found: UUID | None = await self.scalar(
            statement if after is None else statement.where(UsageCharge.project_id > after)
        )
        return found

    async def due(self, project_id: UUID, today: date, limit: int) -> Sequence[Row[Any]]:
        """Charges to be posted, under lock, with what says in words what they are for; oldest first."""
        statement = (
            select(UsageCharge, Service.name, Price.plan_id, Price.addon_id, Price.month_minor)
            .join(
                UsageMeter,
                and_(UsageMeter.service_id == UsageCharge.service_id, UsageMeter.meter == UsageCharge.meter),
            )
            .join(Service, Service.id == UsageCharge.service_id)
            .join(Price, Price.id == UsageCharge.price_id)
            .where(*_due(today), UsageCharge.project_id == project_id)
            .order_by(UsageCharge.day, UsageCharge.service_id, UsageCharge.id)
            .limit(limit)
            .with_for_update(of=UsageCharge)
        )
        return await self.rows(statement)

    async def posted_of(self, project_id: UUID, services: Sequence[UUID], since: date) -> Sequence[Row[Any]]:
        """What was posted by meter, month and tax: amount, net and tax in all."""
        month = cast(func.date_trunc("month", UsageCharge.day), Date).label("month")
        return await self.rows(
            select(
                UsageCharge.service_id,
                UsageCharge.meter,
                month,
                UsageCharge.tax_key,
                func.sum(UsageCharge.amount).label("amount"),
                func.sum(UsageCharge.net).label("net"),
                func.sum(UsageCharge.tax).label("tax"),
            )
            .where(
                UsageCharge.project_id == project_id,
                UsageCharge.service_id.in_(services),
                UsageCharge.day >= since,
                UsageCharge.posted_at.is_not(None),
            )
            .group_by(UsageCharge.service_id, UsageCharge.meter, month, UsageCharge.tax_key)
        )

    async def mark_posted(self, rows: Sequence[dict[str, Any]]) -> None:
        names = ("id", "net", "tax", "tax_key", "transaction_id")
        await self.execute(MARK_POSTED, {f"{name}s": [row[name] for row in rows] for name in names})


def _due(today: date) -> tuple[Any, ...]:
    """Of days that are over, and of what is no longer running."""
    ended = and_(UsageMeter.price_id.is_(None), UsageMeter.dirty_from.is_(None))
    over = or_(UsageCharge.day < today, ended)
    return UsageCharge.posted_at.is_(None), over
