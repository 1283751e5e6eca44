"""Statements over what went through the edge; the large ones as SQL, for they are read best so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Date, DateTime, Row, String, Uuid, bindparam, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert

from backend.billing.metering.models import TRAFFIC, UsageCharge, UsageMeter
from backend.billing.prices.models import Price
from backend.billing.traffic.models import TrafficDay, TrafficLog, TrafficMonth
from backend.dao.base import BaseDAO
from backend.database import now
from backend.services.models import Service

UNLIMITED = 2**50
"""What a plan that includes as much as there is counts as, each month; as a number it has its part in a month
with a change of plan.
"""

# A line is of the service that had the name when it was written: names are given anew.
COUNT = text("""
WITH seen AS (
    SELECT * FROM unnest(:names, :hosts, :moments, :requests, :received, :sent)
        AS seen(name, host, moment, requests, received, sent)
), owned AS (
    SELECT seen.*, coalesce(named.id, own.service_id) AS service_id FROM seen
    LEFT JOIN LATERAL (
        SELECT id FROM services
        WHERE services.name = seen.name AND services.created_at < seen.moment + interval '1 minute'
            AND (services.deleted_at IS NULL OR services.deleted_at >= seen.moment)
        ORDER BY services.created_at DESC LIMIT 1
    ) AS named ON true
    LEFT JOIN LATERAL (
        SELECT domains.service_id FROM domains
        WHERE seen.name IS NULL AND verified_at IS NOT NULL
            AND domains.name IN (seen.host, regexp_replace(seen.host, '^[^.]+', '*'))
        ORDER BY domains.name = seen.host DESC LIMIT 1
    ) AS own ON true
), days AS (
    SELECT service_id, (moment AT TIME ZONE :zone)::date AS day, sum(requests)::bigint AS requests,
        sum(received)::bigint AS received, sum(sent)::bigint AS sent
    FROM owned WHERE service_id IS NOT NULL GROUP BY 1, 2
), counted AS (
    INSERT INTO traffic_days AS had (service_id, day, requests, received, sent)
    SELECT service_id, day, requests, received, sent FROM days ORDER BY service_id, day
    ON CONFLICT (service_id, day) DO UPDATE SET
        requests = had.requests + excluded.requests, received = had.received + excluded.received,
        sent = had.sent + excluded.sent
), monthly AS (
    INSERT INTO traffic_months AS had (service_id, month, bytes)
    SELECT service_id, date_trunc('month', day)::date, sum(received + sent)::bigint FROM days
    WHERE :charged GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (service_id, month) DO UPDATE SET bytes = had.bytes + excluded.bytes
)
SELECT coalesce(sum(requests), 0)::bigint FROM days
""").bindparams(
    bindparam("names", type_=ARRAY(String())),
    bindparam("hosts", type_=ARRAY(String())),
    bindparam("moments", type_=ARRAY(DateTime(timezone=True))),
    *(bindparam(name, type_=ARRAY(BigInteger())) for name in ("requests", "received", "sent")),
    bindparam("zone", type_=String()),
    bindparam("charged", type_=Boolean()),
)

# A plan's traffic for the part of the month in which it was paid for; what runs now is taken to run on.
INCLUDED = text("""
WITH parts AS (
    SELECT service_id, price_id, seconds::numeric * quantity AS seconds FROM usage_totals
    WHERE service_id = ANY(:services) AND meter IN ('plan', 'units') AND month = :month
    UNION ALL
    SELECT service_id, price_id, quantity * greatest(0, extract(epoch FROM
        :end - greatest(metered_through, :begin))) FROM usage_meters
    WHERE service_id = ANY(:services) AND meter IN ('plan', 'units') AND price_id IS NOT NULL
)
SELECT service_id, div(sum(parts.seconds * coalesce(plan.traffic_bytes, :unlimited)),
    extract(epoch FROM :end - :begin))::bigint AS included
FROM parts JOIN prices AS price ON price.id = price_id JOIN plans AS plan ON plan.id = price.plan_id
GROUP BY service_id
""").bindparams(
    bindparam("services", type_=ARRAY(Uuid())),
    bindparam("month", type_=Date()),
    bindparam("begin", type_=DateTime(timezone=True)),
    bindparam("end", type_=DateTime(timezone=True)),
    bindparam("unlimited", UNLIMITED, type_=BigInteger()),
)


class LogDAO(BaseDAO[TrafficLog]):
    model = TrafficLog

    async def counted(self, digest: str) -> int:
        found: int | None = await self.scalar(select(TrafficLog.counted).where(TrafficLog.digest == digest))
        return found or 0

    async def advance(self, digest: str, before: int, through: int) -> bool:
        """Say that the file is counted so far; False if somebody else went on with it meanwhile."""
        values = {"digest": digest, "counted": through, "seen_at": now()}
        statement = insert(TrafficLog).values(values)
        moved = statement.on_conflict_do_update(
            index_elements=["digest"],
            set_={"counted": through, "seen_at": values["seen_at"]},
            where=TrafficLog.counted == before,
        )
        return await self.execute(moved) == 1

    async def forget(self, before: datetime) -> None:
        await self.delete_some(TrafficLog.seen_at < before)


class TrafficDAO(BaseDAO[TrafficMonth]):
    model = TrafficMonth

    async def count(self, seen: dict[str, list[Any]], zone: str, *, charged: bool) -> int:
        """Add what was seen to its services; gives how many requests had one."""
        found: int = await self.scalar(COUNT, {**seen, "zone": zone, "charged": charged})
        return found

    async def included(
        self, services: Sequence[UUID], month: date, begin: datetime, end: datetime
    ) -> dict[UUID, int]:
        """In bytes, of a month that begins and ends then."""
        parameters = {"services": list(services), "month": month, "begin": begin, "end": end}
        return {row.service_id: row.included for row in await self.rows(INCLUDED, parameters)}

    async def unrated(self, month: date, moment: datetime, limit: int) -> Sequence[Row[Any]]:
        """Of months before that one, and of services that were no more then: what is not charged, under lock.

        What a service had that was deleted later is not metered to its end yet, and so not what is included.
        """
        return await self.rows(
            select(TrafficMonth, Service.project_id, Service.deleted_at, Price.currency)
            .join(Service, Service.id == TrafficMonth.service_id)
            .outerjoin(Price, Price.id == Service.price_id)
            .where(
                TrafficMonth.rated_bytes.is_distinct_from(TrafficMonth.bytes),
                or_(TrafficMonth.month < month, Service.deleted_at <= moment),
            )
            .order_by(TrafficMonth.month, TrafficMonth.service_id)
            .limit(limit)
            .with_for_update(of=TrafficMonth)
        )

    async def open_of(self, project_id: UUID, month: date) -> Sequence[Row[Any]]:
        """The project's traffic of the month, and of others what is not charged yet."""
        return await self.rows(
            select(TrafficMonth, Service.name, Price.currency)
            .join(Service, Service.id == TrafficMonth.service_id)
            .join(Price, Price.id == Service.price_id)
            .where(
                Service.project_id == project_id,
                or_(
                    TrafficMonth.month == month,
                    TrafficMonth.rated_bytes.is_distinct_from(TrafficMonth.bytes),
                ),
            )
            .order_by(Service.name, TrafficMonth.service_id, TrafficMonth.month)
        )

    async def days(
        self, project_id: UUID, since: date, until: date, service_id: UUID | None = None
    ) -> Sequence[Row[Any]]:
        statement = (
            select(TrafficDay.__table__, Service.name)
            .join(Service, Service.id == TrafficDay.service_id)
            .where(Service.project_id == project_id, TrafficDay.day.between(since, until))
            .order_by(Service.name, TrafficDay.service_id, TrafficDay.day)
        )
        if service_id is not None:
            statement = statement.where(TrafficDay.service_id == service_id)
        return await self.rows(statement)

    async def open_charge(self, service_id: UUID, price_id: UUID, day: date) -> UsageCharge | None:
        """That nobody posted yet, under lock."""
        row = await self.row(
            select(UsageCharge)
            .where(
                UsageCharge.service_id == service_id,
                UsageCharge.meter == TRAFFIC,
                UsageCharge.price_id == price_id,
                UsageCharge.day == day,
                UsageCharge.posted_at.is_(None),
            )
            .with_for_update()
        )
        return row[0] if row else None

    async def meter_of(self, service_id: UUID, project_id: UUID, at: datetime) -> None:
        """Charges belong to a meter; this one is never read out."""
        values = {
            "service_id": service_id,
            "meter": TRAFFIC,
            "project_id": project_id,
            "quantity": 0,
            "events": 0,
            "changed_at": at,
            "metered_through": at,
        }
        await self.execute(insert(UsageMeter).values(values).on_conflict_do_nothing())
