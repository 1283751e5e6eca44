"""Samples as pages show them: some hundred points of each unit or of all together, and what is now."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.catalogue.models import Plan
from backend.database import now
from backend.metrics.dao import MetricDAO
from backend.metrics.steps import RANGES

PRESENT_SECONDS = 60
"""What is older is not now."""
MOST_USERS = 5
MEASURES = ("cpu_millis", "cpu_peak", "memory_bytes", "memory_peak", "received", "sent")
_WHOLE = frozenset({"memory_bytes", "memory_peak"})


async def of_service(
    session: AsyncSession, service_id: UUID, plan_id: str, wanted: str, *, summed: bool
) -> dict[str, Any]:
    dao = MetricDAO(session)
    asked = RANGES[wanted]
    until = math.floor(now().timestamp() / asked.step) * asked.step
    since = until - asked.seconds
    begin = now() - timedelta(seconds=now().timestamp() - since)
    rows = await dao.points(service_id, asked.source, asked.step, begin)
    plan = await session.get(Plan, plan_id)
    times = list(range(since, until + asked.step, asked.step))
    present = await dao.present(service_id, now() - timedelta(seconds=PRESENT_SECONDS))
    return {
        "range": wanted,
        "step": asked.step,
        "at": times,
        "series": _summed(rows, times) if summed else _apart(rows, times),
        "now": [_present(row) for row in present],
        "limits": {
            "memory_bytes": plan.memory_bytes if plan else None,
            "cpu_millis": plan.cpu_millis if plan else None,
        },
    }


async def of_all(session: AsyncSession) -> dict[str, Any]:
    """What all services take now, and which of them most."""
    rows = await MetricDAO(session).by_service(now() - timedelta(seconds=PRESENT_SECONDS))
    services = [
        {
            "service_id": row.id,
            "name": row.name,
            "units": row.units,
            "cpu_millis": round(row.cpu_millis, 1),
            "memory_bytes": int(row.memory_bytes),
            "received": round(row.received),
            "sent": round(row.sent),
        }
        for row in rows
    ]
    names = ("units", "cpu_millis", "memory_bytes", "received", "sent")
    busiest = sorted(services, key=lambda one: -one["cpu_millis"])
    return {
        "services": len(services),
        **{name: round(sum(one[name] for one in services), 1) for name in names},
        "by_memory": services[:MOST_USERS],
        "by_cpu": busiest[:MOST_USERS],
    }


def _apart(rows: Sequence[Any], times: list[int]) -> list[dict[str, Any]]:
    units: dict[tuple[str, int], dict[int, Any]] = defaultdict(dict)
    for row in rows:
        units[(row.process, row.replica)][int(row.at)] = row
    return [
        {
            "process": process,
            "replica": replica,
            **{
                name: [_value(name, getattr(by_time.get(at), name, None)) for at in times]
                for name in MEASURES
            },
        }
        for (process, replica), by_time in units.items()
    ]


def _summed(rows: Sequence[Any], times: list[int]) -> list[dict[str, Any]]:
    sums: dict[str, dict[int, float]] = {name: {} for name in MEASURES}
    for row in rows:
        for name in MEASURES:
            if (value := getattr(row, name)) is not None:
                by_time = sums[name]
                by_time[int(row.at)] = by_time.get(int(row.at), 0) + float(value)
    if not rows:
        return []
    columns = {name: [_value(name, sums[name].get(at)) for at in times] for name in MEASURES}
    return [{"process": None, "replica": None, **columns}]


def _value(name: str, value: Any) -> float | int | None:
    if value is None:
        return None
    return int(value) if name in _WHOLE else round(float(value), 1)


def _present(row: Any) -> dict[str, Any]:
    return {
        "process": row.process,
        "replica": row.replica,
        "cpu_millis": _value("cpu_millis", row.cpu_millis),
        "memory_bytes": row.memory_bytes,
        "memory_limit": row.memory_limit,
        "received": _value("received", row.received),
        "sent": _value("sent", row.sent),
    }
