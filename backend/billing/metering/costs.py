"""The forecast as the API says it: by service, and by what each has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.metering import forecast
from backend.billing.metering.forecast import Metered
from backend.billing.metering.models import PLAN
from backend.billing.prices import tax, versions
from backend.billing.prices.tax import Treatment
from backend.billing.traffic.allowance import Traffic

_SUMS = ("currency", "per_hour", "per_month", "days_left", "accrued", "this_month")


async def of_project(session: AsyncSession, project_id: UUID, service_id: UUID | None) -> dict[str, Any]:
    """`service_id` lists that one alone, the sums stay the project's."""
    rate = await forecast.of(session, project_id)
    treatment = await tax.treatment_of(session, project_id)
    services: dict[UUID, list[Metered]] = {}
    for one in rate.meters:
        if service_id in (None, one.service_id):
            services.setdefault(one.service_id, []).append(one)
    return {
        **{name: getattr(rate, name) for name in _SUMS},
        "traffic": [_traffic(one, treatment) for one in rate.traffic if service_id in (None, one.service_id)],
        "services": [_service(meters, treatment) for meters in services.values()],
    }


def _service(meters: Sequence[Metered], treatment: Treatment) -> dict[str, Any]:
    plan = next((one.plan_id for one in meters if one.meter == PLAN), None)
    return {
        "service_id": meters[0].service_id,
        "service": meters[0].service,
        "plan_id": plan,
        **_amounts(meters, treatment),
        "meters": [
            {
                "meter": one.meter,
                "plan_id": one.plan_id,
                "addon_id": one.addon_id,
                "quantity": one.quantity,
                **_amounts([one], treatment),
            }
            for one in meters
        ],
    }


def _amounts(meters: Sequence[Metered], treatment: Treatment) -> dict[str, Any]:
    month = tax.gross(sum(one.month_minor for one in meters), treatment)
    return {
        "per_hour": versions.per_hour(month),
        "per_month": month,
        "this_month": tax.gross(sum(one.cost for one in meters), treatment),
    }


def _traffic(one: Traffic, treatment: Treatment) -> dict[str, Any]:
    return {
        "service_id": one.service_id,
        "service": one.service,
        "month": one.month,
        "used_bytes": one.bytes,
        "included_bytes": one.included,
        "expected_bytes": one.expected,
        "units": one.units,
        "unit_minor": one.unit_minor,
        "cost": tax.gross(one.amount, treatment),
    }
