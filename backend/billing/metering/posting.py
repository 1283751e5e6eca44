"""Charges on their way to the ledger: taxed, then taken from what the order held, the balance, or put down
as due.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.ledger import moves
from backend.billing.ledger.about import About
from backend.billing.metering.dao import ChargeDAO
from backend.billing.metering.models import UsageCharge
from backend.billing.prices import holds, tax
from backend.billing.prices.tax import Treatment
from backend.config import get_settings

Key = tuple[UUID, str, date, str]
"""Service, meter, month and tax: what is rounded as one sum."""


@dataclass(slots=True)
class Sum:
    amount: int = 0
    net: int = 0
    tax: int = 0

    def add(self, amount: int, treatment: Treatment) -> tuple[int, int]:
        """Net and tax of an amount that is added: what they grow by, so that rounding never adds up."""
        self.amount += amount
        net, taxed = tax.split(self.amount, treatment)
        grown = net - self.net, taxed - self.tax
        self.net, self.tax = net, taxed
        return grown


@dataclass(slots=True)
class Taxed:
    """A charge, what it is for in words, and how it is posted."""

    charge: UsageCharge
    service: str
    plan: str | None
    addon: str | None
    month_minor: int
    treatment: Treatment
    net: int = 0
    tax: int = 0
    from_held: int = 0
    transaction_id: UUID | None = None

    @property
    def gross(self) -> int:
        return self.net + self.tax

    @property
    def tax_key(self) -> str:
        by = self.treatment
        return f"{by.code}:{by.country or ''}:{by.rate_millionths}:{by.mode}"

    def written(self) -> dict[str, Any]:
        return {
            "id": self.charge.id,
            "net": self.net,
            "tax": self.tax,
            "tax_key": self.tax_key,
            "transaction_id": self.transaction_id,
        }


async def post(session: AsyncSession, project_id: UUID, today: date, limit: int) -> int:
    """Post the project's charges that are due, oldest first, at most so many; gives how many."""
    charges = ChargeDAO(session)
    due = await charges.due(project_id, today, limit)
    days = {row.UsageCharge.day for row in due}
    treatments = {day: await tax.treatment_of(session, project_id, _noon(day)) for day in days}
    taxed = [
        Taxed(
            *(row.UsageCharge, row.name, row.plan_id, row.addon_id, row.month_minor),
            treatments[row.UsageCharge.day],
        )
        for row in due
    ]
    await _split(charges, taxed)
    # All holds before any account: the order in which everybody locks them.
    for one in sorted(taxed, key=lambda one: (one.charge.service_id, one.charge.day)):
        if one.gross > 0:
            one.from_held = await holds.draw(session, one.charge.service_id, one.gross)
    for one in taxed:
        one.transaction_id = await _move(session, one)
    await charges.mark_posted([one.written() for one in taxed])
    return len(taxed)


async def _split(charges: ChargeDAO, taxed: list[Taxed]) -> None:
    """Net and tax of each: by how much those of all charges before it and it grow."""
    if not taxed:
        return
    services = {one.charge.service_id for one in taxed}
    since = min(one.charge.day for one in taxed).replace(day=1)
    sums: dict[Key, Sum] = defaultdict(Sum)
    for row in await charges.posted_of(taxed[0].charge.project_id, tuple(services), since):
        before = Sum(int(row.amount), int(row.net), int(row.tax))
        sums[row.service_id, row.meter, row.month, row.tax_key] = before
    for one in taxed:
        charge = one.charge
        sum_ = sums[charge.service_id, charge.meter, charge.day.replace(day=1), one.tax_key]
        one.net, one.tax = sum_.add(charge.amount, one.treatment)


async def _move(session: AsyncSession, one: Taxed) -> UUID | None:
    if one.gross == 0:
        return None
    charge = one.charge
    about = About(
        "usage",
        "usage",
        {
            "service": one.service,
            **({"addon": one.addon} if one.addon else {"plan": one.plan}),
            "meter": charge.meter,
            "quantity": charge.quantity,
            "day": charge.day.isoformat(),
            "seconds": charge.seconds,
            "month_minor": one.month_minor,
            "tax_code": one.treatment.code,
            "tax_rate": one.treatment.rate_millionths,
            "tax_country": one.treatment.country,
        },
        service_id=charge.service_id,
        source_type="usage_charge",
        source_id=charge.id,
        occurred_at=_noon(charge.day),
    )
    to, key = (charge.project_id, charge.currency), f"usage:{charge.id}"
    if one.gross < 0:
        posted = await moves.credit(session, *to, -one.net, -one.tax, key=key, about=about)
    else:
        posted = await moves.charge(
            session, *to, one.net, one.tax, key=key, from_held=one.from_held, about=about
        )
    return posted.transaction_id


def _noon(day: date) -> datetime:
    """A moment within the day, whatever its clocks do."""
    return datetime.combine(day, time(12), ZoneInfo(get_settings().billing_time_zone))
