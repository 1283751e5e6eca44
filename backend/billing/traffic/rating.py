"""From counted traffic to charges, once a month is over or a service is no more.

A charge is what the month costs by now minus what was charged of it, so lines that are counted late make
another one, and a run that was cut off is gone on with by the next.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.invoices.months import Month
from backend.billing.metering.models import TRAFFIC, UsageCharge
from backend.billing.prices.versions import PriceVersion
from backend.billing.traffic import allowance
from backend.billing.traffic.dao import TrafficDAO
from backend.billing.traffic.models import TrafficMonth
from backend.config import get_settings
from backend.database import Database
from backend.utils.ids import new_id

AT_ONCE = 200


async def rate(database: Database, moment: datetime) -> int:
    """Charge what months that are over by then used beyond what was included; gives how many those were."""
    rated = 0
    while get_settings().billing_enabled:
        async with database.transaction() as session:
            some = await _some(session, moment)
        rated += some
        if some < AT_ONCE:
            break
    return rated


async def _some(session: AsyncSession, moment: datetime) -> int:
    zone = ZoneInfo(get_settings().billing_time_zone)
    dao = TrafficDAO(session)
    rows = await dao.unrated(Month.of(moment, zone).first_day, moment, AT_ONCE)
    months: dict[date, list[UUID]] = defaultdict(list)
    for row in rows:
        months[row.TrafficMonth.month].append(row.TrafficMonth.service_id)
    for first, services in months.items():
        included = await allowance.of_services(dao, services, first, zone)
        for row in rows:
            if row.TrafficMonth.month == first:
                free = included.get(row.TrafficMonth.service_id, 0)
                await _charge(dao, row, free, moment, zone)
    await dao.flush()
    return len(rows)


async def _charge(dao: TrafficDAO, row: Row[Any], included: int, moment: datetime, zone: ZoneInfo) -> None:
    month: TrafficMonth = row.TrafficMonth
    price = await allowance.price_of(dao.session, month, row.currency)
    units = allowance.beyond(month.bytes, included) if price else 0
    month.rated_bytes, month.included_bytes = month.bytes, included
    if price is None or units == month.charged_units:
        return
    last = (Month(month.month.year, month.month.month).following.first_day) - timedelta(days=1)
    ended = row.deleted_at.astimezone(zone).date() if row.deleted_at else last
    await dao.meter_of(month.service_id, row.project_id, moment)
    await _write(dao, row.project_id, month, price, units - month.charged_units, min(last, ended))
    month.price_id, month.charged_units = price.id, units


async def _write(
    dao: TrafficDAO, project_id: UUID, month: TrafficMonth, price: PriceVersion, units: int, day: date
) -> None:
    waiting = await dao.open_charge(month.service_id, price.id, day)
    if waiting is not None:
        waiting.quantity += units
        waiting.amount += units * price.month_minor
        return
    charge = UsageCharge(
        id=new_id(),
        project_id=project_id,
        service_id=month.service_id,
        meter=TRAFFIC,
        price_id=price.id,
        quantity=units,
        day=max(day, month.month),
        currency=price.currency,
        seconds=0,
        amount=units * price.month_minor,
    )
    dao.session.add(charge)
