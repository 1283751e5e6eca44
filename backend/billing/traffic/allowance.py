"""How much of a service's traffic its plan includes, and what the rest costs.

A plan includes its traffic for the part of the month that it is paid for, each unit its own: so a dearer plan
for a minute buys no more than a minute of it. What runs now is taken to run until the month is over.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.invoices.months import Month
from backend.billing.metering.models import TRAFFIC
from backend.billing.prices import versions
from backend.billing.traffic.dao import TrafficDAO
from backend.billing.traffic.models import TrafficMonth
from backend.config import get_settings

UNIT = 2**30
"""Bytes of what the price is for one of; a unit that was begun counts."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """A service's in one month, as it would be charged now; `amount` in minor units as prices say them."""

    service_id: UUID
    service: str
    month: date
    bytes: int
    included: int
    units: int
    """Beyond what is included, that are not charged yet; below zero if too many were."""
    unit_minor: int | None
    """None if it is not sold: then all of it is included."""
    expected: int
    """Bytes by the end of the month, if it goes on as it did; what it came to once it is over."""

    @property
    def amount(self) -> int:
        return self.units * (self.unit_minor or 0)


async def of_project(
    session: AsyncSession, project_id: UUID, currency: str, at: datetime
) -> tuple[Traffic, ...]:
    """Of the present month, and of earlier ones what is not charged yet."""
    zone = ZoneInfo(get_settings().billing_time_zone)
    dao = TrafficDAO(session)
    rows = await dao.open_of(project_id, Month.of(at, zone).first_day)
    months: dict[date, list[UUID]] = defaultdict(list)
    for row in rows:
        months[row.TrafficMonth.month].append(row.TrafficMonth.service_id)
    included = {
        (service_id, first): amount
        for first, services in months.items()
        for service_id, amount in (await of_services(dao, services, first, zone)).items()
    }
    found = []
    for row in rows:
        month: TrafficMonth = row.TrafficMonth
        if row.currency != currency:
            continue
        price = await price_of(session, month, currency)
        free = included.get((month.service_id, month.month), 0)
        units = beyond(month.bytes, free) - month.charged_units if price else 0
        found.append(
            Traffic(
                month.service_id,
                row.name,
                month.month,
                month.bytes,
                free,
                units,
                price.month_minor if price else None,
                _expected(month, at, zone),
            )
        )
    return tuple(found)


async def of_services(dao: TrafficDAO, services: list[UUID], month: date, zone: ZoneInfo) -> dict[UUID, int]:
    """What is included in that month, in bytes."""
    this = Month(month.year, month.month)
    return await dao.included(services, month, this.begins_at(zone), this.ends_at(zone))


def beyond(used: int, included: int) -> int:
    """Units, begun ones too."""
    return max(0, -((included - used) // UNIT))


async def price_of(
    session: AsyncSession, month: TrafficMonth, currency: str | None
) -> versions.PriceVersion | None:
    """By which the month was charged before, or what it costs today."""
    if month.price_id is not None:
        return await versions.get(session, month.price_id)
    return await versions.offered_addon(session, TRAFFIC, currency) if currency else None


def _expected(month: TrafficMonth, at: datetime, zone: ZoneInfo) -> int:
    this = Month(month.month.year, month.month.month)
    begin, end = this.begins_at(zone), this.ends_at(zone)
    if at >= end:
        return month.bytes
    # Of the first hours a month is not foretold.
    passed = max(86_400, int((at - begin).total_seconds()))
    return month.bytes * int((end - begin).total_seconds()) // passed
