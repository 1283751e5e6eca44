"""What all services of a stack cost together: the sum that its order will hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.ledger import standing
from backend.billing.prices import offers, tax, versions
from backend.catalogue.loading import Plans
from backend.catalogue.models import Plan
from backend.config import get_settings
from backend.exceptions import invalid_field
from backend.stacks.blueprint import Blueprint
from backend.stacks.rendering import WEB, Rendered


@dataclass(frozen=True, slots=True)
class Line:
    part: str
    plan_id: str
    units: int
    volume_gib: int
    month_minor: int
    month_gross: int
    setup_minor: int
    setup_gross: int


@dataclass(frozen=True, slots=True)
class Bill:
    currency: str
    lines: list[Line]

    @property
    def needed(self) -> int:
        return sum(line.month_gross + line.setup_gross for line in self.lines)


async def chosen_plans(
    session: AsyncSession,
    blueprint: Blueprint,
    given: Mapping[str, str],
    parts: Collection[str] | None = None,
) -> dict[str, Plan]:
    """By part, of these or all: what was chosen, else the smallest that will do. Raises `Invalid`."""
    for part in given:
        if part not in blueprint.services:
            raise _refuse(part[:40], "The template has no such service.", "part_unknown")
    found = {}
    for part, service in blueprint.services.items():
        if parts is not None and part not in parts:
            continue
        plan = await Plans(session).get(given.get(part, service.plan))
        least = await Plans(session).get(service.plan)
        if plan is None or not plan.active:
            raise _refuse(part, "There is no such plan.", "plan_unknown")
        if least is not None and plan.memory_bytes < least.memory_bytes:
            raise _refuse(part, f"This service needs the plan {least.id} at least.", "plan_too_small")
        found[part] = plan
    return found


async def bill(
    session: AsyncSession,
    project_id: UUID,
    user_id: UUID,
    rendered: Mapping[str, Rendered],
    plans: Mapping[str, Plan],
) -> Bill:
    lines = []
    currency = await standing.currency_of(session, project_id)
    prices = await versions.all_offered(session)
    volume = versions.shown_in(currency, prices.get("volume", []))
    for part, service in rendered.items():
        offer = await offers.for_order(session, project_id, user_id, plans[part].id, None)
        currency = offer.listed.currency
        units = sum(replicas for replicas, _ in ({WEB: (1, None)} | service.processes).values())
        gib = sum(volume.size_gib for volume in service.said.volumes.values())
        beside = gib * volume.month_minor if volume is not None and volume.currency == currency else 0
        month = offer.month_minor * units + beside
        gross = tax.gross(month, offer.treatment)
        lines.append(
            Line(part, plans[part].id, units, gib, month, gross, offer.setup_minor, offer.setup_gross)
        )
    return Bill(currency, lines)


async def shown(session: AsyncSession, project_id: UUID, found: Bill) -> dict[str, Any]:
    (present,) = await standing.of(session, project_id, found.currency)
    charged = get_settings().billing_enabled
    held = found.needed if charged else 0
    return {
        "charged": charged,
        "currency": found.currency,
        "services": [
            {
                "part": line.part,
                "plan_id": line.plan_id,
                "units": line.units,
                "volume_gib": line.volume_gib,
                "month_minor": line.month_gross,
            }
            for line in found.lines
        ],
        "month_minor": sum(line.month_minor for line in found.lines),
        "month_total_minor": sum(line.month_gross for line in found.lines),
        "setup_total_minor": sum(line.setup_gross for line in found.lines),
        "held_minor": held,
        "balance_minor": present.balance,
        "available_minor": present.available,
        "missing_minor": max(0, held - present.available),
    }


def _refuse(part: str, message: str, code: str) -> Exception:
    return invalid_field(["body", "plans", part], message, code)
