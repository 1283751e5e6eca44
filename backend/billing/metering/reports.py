"""What a project used and spent, by day and service; and how one charge came about."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.export import harmless
from backend.billing.invoices.months import Month
from backend.billing.ledger.standing import currency_of
from backend.billing.metering.models import PLAN, TRAFFIC
from backend.billing.metering.reading_dao import ReportDAO
from backend.billing.money import plain
from backend.billing.prices import tax
from backend.billing.traffic.dao import TrafficDAO
from backend.exceptions import NotFound

COLUMNS = (
    *("day", "service", "service_id", "plan", "addon", "quantity", "unit", "hours"),
    *("net", "tax", "gross", "currency", "charge_id"),
)
_MARK = "\ufeff"
"""Without it spreadsheets take UTF-8 for something else."""


async def spending(
    session: AsyncSession, project_id: UUID, since: date, until: date, service_id: UUID | None
) -> dict[str, Any]:
    """All charges of these days, oldest first, and what they come to by service; the last day is in it."""
    charges = await _charges(session, project_id, since, until, service_id)
    currency = charges[-1]["currency"] if charges else await currency_of(session, project_id)
    by_service: dict[UUID, dict[str, Any]] = {}
    for charge in charges:
        service = by_service.setdefault(
            charge["service"]["id"],
            {"service": charge["service"], "seconds": 0, "net": 0, "tax": 0, "gross": 0},
        )
        if charge["currency"] != currency:
            continue
        for name in ("net", "tax", "gross"):
            service[name] += charge[name]
        if charge["meter"] == PLAN:
            service["seconds"] += charge["seconds"]
    services = sorted(by_service.values(), key=lambda one: (-one["gross"], one["service"]["name"]))
    return {
        "currency": currency,
        "since": since,
        "until": until,
        **{name: sum(one[name] for one in services) for name in ("net", "tax", "gross")},
        "services": services,
        "charges": charges,
        "traffic": await _traffic(session, project_id, since, until, service_id),
    }


async def _traffic(
    session: AsyncSession, project_id: UUID, since: date, until: date, service_id: UUID | None
) -> list[dict[str, Any]]:
    found: dict[UUID, dict[str, Any]] = {}
    for row in await TrafficDAO(session).days(project_id, since, until, service_id):
        one = found.setdefault(
            row.service_id, {"service_id": row.service_id, "service": row.name, "days": []}
        )
        one["days"].append({name: getattr(row, name) for name in ("day", "requests", "received", "sent")})
    return list(found.values())


async def as_csv(
    session: AsyncSession, project_id: UUID, since: date, until: date, service_id: UUID | None
) -> bytes:
    """Amounts with the currency's decimals, so that a spreadsheet sums them."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for charge in await _charges(session, project_id, since, until, service_id):
        flat = {
            **charge,
            **{name: plain(charge[name], charge["currency"]) for name in ("net", "tax", "gross")},
            "service": harmless(charge["service"]["name"]),
            "service_id": charge["service"]["id"],
            "plan": charge["plan_id"],
            "addon": charge["addon_id"],
            "hours": f"{charge['seconds'] / 3600:.4f}",
            "charge_id": charge["id"],
        }
        writer.writerow([flat[column] for column in COLUMNS])
    return (_MARK + text.getvalue()).encode()


async def traced(session: AsyncSession, project_id: UUID, charge_id: UUID) -> dict[str, Any]:
    """A charge, the time it is for, and the service's changes that began that time. Raises `NotFound`."""
    dao = ReportDAO(session)
    row = await dao.charge(project_id, charge_id)
    if row is None:
        raise NotFound("There is no such charge.")
    shaped = await _shaped(session, project_id, [row])
    records = await dao.records(row.service_id, row.meter, row.price_id, row.quantity, row.day)
    return {
        **shaped[0],
        "month_minor": row.month_minor,
        "traffic": await _behind(session, row) if row.meter == TRAFFIC else None,
        "records": [
            {
                "from_at": record.from_at,
                "to_at": record.to_at,
                "seconds": record.seconds,
                "event": {
                    "id": record.event_id,
                    "kind": record.kind,
                    "occurred_at": record.occurred_at,
                    "deployment": record.deployment_id
                    and {"id": record.deployment_id, "number": record.number},
                    "job_id": record.job_id,
                },
            }
            for record in records
        ],
    }


async def _behind(session: AsyncSession, row: Any) -> dict[str, Any]:
    """The traffic that a charge is for: of its whole month."""
    month = Month(row.day.year, row.day.month)
    dao = TrafficDAO(session)
    rated = await dao.get((row.service_id, month.first_day))
    last = month.following.first_day - timedelta(days=1)
    days = await dao.days(row.project_id, month.first_day, last, row.service_id)
    return {
        "used_bytes": rated.bytes if rated else 0,
        "included_bytes": (rated.included_bytes if rated else None) or 0,
        "days": [
            {name: getattr(one, name) for name in ("day", "requests", "received", "sent")} for one in days
        ],
    }


async def _charges(
    session: AsyncSession, project_id: UUID, since: date, until: date, service_id: UUID | None
) -> list[dict[str, Any]]:
    rows = await ReportDAO(session).charges(project_id, since, until, service_id)
    return await _shaped(session, project_id, rows)


async def _shaped(session: AsyncSession, project_id: UUID, rows: Any) -> list[dict[str, Any]]:
    treatment = await tax.treatment_of(session, project_id)
    shaped = []
    for row in rows:
        # What is not posted yet is taxed as it would be now.
        net, taxes = (row.net, row.tax) if row.posted_at else tax.split(row.amount, treatment)
        shaped.append(
            {
                "id": row.id,
                "day": row.day,
                "service": {"id": row.service_id, "name": row.name, "deleted": row.deleted_at is not None},
                "meter": row.meter,
                "plan_id": row.plan_id,
                "addon_id": row.addon_id,
                "quantity": row.quantity,
                "unit": row.unit,
                "currency": row.currency,
                "seconds": row.seconds,
                "net": net,
                "tax": taxes,
                "gross": net + taxes,
                "posted_at": row.posted_at,
                "transaction_id": row.transaction_id,
            }
        )
    return shaped
