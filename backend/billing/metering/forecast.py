"""What a project's services cost now, what they have cost this month, and how long its money lasts.

Everything is computed in whole numbers of minor units × seconds, as rating does; amounts are with tax, as
they will be taken from the balance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.ledger import standing
from backend.billing.ledger.standing import Standing
from backend.billing.metering.reading_dao import ForecastDAO
from backend.billing.metering.statements import PRICED_SECONDS
from backend.billing.prices import tax, versions
from backend.billing.prices.tax import WHOLE, Treatment
from backend.billing.traffic import allowance
from backend.billing.traffic.allowance import Traffic
from backend.config import get_settings
from backend.database import now

DAY_SECONDS = 86_400
FARTHEST_DAYS = 365
"""Beyond that a day costs what one of these did in the mean."""
LONGEST_DAYS = 36_500.0
"""A hundred years are as good as for ever, and still a date."""


@dataclass(frozen=True, slots=True)
class Metered:
    """A meter in this month: `weight` is the sum of seconds × price."""

    service_id: UUID
    service: str
    meter: str
    plan_id: str | None
    month_minor: int
    """Of what runs now; 0 if nothing does."""
    weight: int
    cap: int
    rated: int
    """What rating has seen of `weight`, in minor units."""
    quantity: int = 1
    """How often `month_minor` has the price in it; 0 if nothing runs."""
    addon_id: str | None = None
    discount_ends: datetime | None = None
    month_after: int = 0
    """`month_minor` from `discount_ends` on."""

    @property
    def runs(self) -> bool:
        """Whether it costs anything, now or once its discount is over."""
        return bool(self.month_minor or (self.discount_ends and self.month_after))

    @property
    def cost(self) -> int:
        """So far this month, by the price."""
        return capped(self.weight, self.cap)

    def later(self, seconds: int) -> Metered:
        cap = max(self.cap, self.month_minor)
        return replace(self, weight=self.weight + seconds * self.month_minor, cap=cap)

    def a_day_later(self, begin: datetime) -> Metered:
        ends = self.discount_ends
        if ends is None or ends >= begin + timedelta(days=1):
            return self.later(DAY_SECONDS)
        lowered = max(0, int((ends - begin).total_seconds()))
        whole = replace(self.later(lowered), month_minor=self.month_after, discount_ends=None)
        return whole.later(DAY_SECONDS - lowered)


@dataclass(frozen=True, slots=True)
class RunRate:
    currency: str
    per_hour: str
    """Minor units, as a decimal text: an hour of a small plan is less than one."""
    per_month: int
    days_left: float | None
    """None if nothing that runs costs anything."""
    accrued: int
    """Used, and not yet taken from the balance."""
    this_month: int
    traffic: tuple[Traffic, ...]
    """Of the month, and of months before that are not charged yet."""
    meters: tuple[Metered, ...]


async def of(
    session: AsyncSession, project_id: UUID, *, at: datetime | None = None, funds: int | None = None
) -> RunRate:
    """`funds` is what there is to be spent, if it is not all that the project has."""
    at = at or now()
    present = (await standing.of(session, project_id))[0]
    treatment = await tax.treatment_of(session, project_id, at)
    dao = ForecastDAO(session)
    meters = await _meters(dao, project_id, present.currency, at)
    open_amount = await dao.open_amount(project_id, present.currency)
    traffic = await allowance.of_project(session, project_id, present.currency, at)
    through = sum(one.amount for one in traffic)
    accrued = tax.gross(open_amount + through + sum(one.cost - one.rated for one in meters), treatment)
    running = tuple(one for one in meters if one.runs)
    month = tax.gross(sum(one.month_minor for one in running), treatment)
    left = (funds_of(present) if funds is None else funds) - accrued
    return RunRate(
        present.currency,
        versions.per_hour(month),
        month,
        days_left(running, left, treatment, at),
        accrued,
        tax.gross(sum(one.cost for one in meters) + through, treatment),
        traffic,
        meters,
    )


def funds_of(present: Standing) -> int:
    """All that can be spent yet: what is held for a service is spent by it."""
    return present.balance + present.held + present.due + present.credit_limit


def days_left(running: Sequence[Metered], funds: int, treatment: Treatment, at: datetime) -> float | None:
    """How long the funds last, day by day, with the months' caps and the ends of discounts in mind."""
    if not any(one.runs for one in running):
        return None
    zone = ZoneInfo(get_settings().billing_time_zone)
    taxed = WHOLE if treatment.mode == "inclusive" else WHOLE + treatment.rate_millionths
    whole = left = funds * PRICED_SECONDS * WHOLE
    if left <= 0:
        return 0.0
    month, present = at.astimezone(zone).month, list(running)
    for day in range(FARTHEST_DAYS):
        following = (at + timedelta(days=day)).astimezone(zone).month
        if following != month:
            month, present = following, [replace(one, weight=0, cap=one.month_minor) for one in present]
        ahead = [one.a_day_later(at + timedelta(days=day)) for one in present]
        cost = sum(_bounded(new) - _bounded(old) for new, old in zip(ahead, present, strict=True)) * taxed
        if cost >= left:
            return round(day + left / cost, 2)
        left, present = left - cost, ahead
    if left == whole:
        return LONGEST_DAYS
    return min(round(FARTHEST_DAYS * whole / (whole - left), 2), LONGEST_DAYS)


def capped(weight: int, cap: int) -> int:
    return min((2 * weight + PRICED_SECONDS) // (2 * PRICED_SECONDS), cap)


def _bounded(one: Metered) -> int:
    return min(one.weight, one.cap * PRICED_SECONDS)


async def _meters(dao: ForecastDAO, project_id: UUID, currency: str, at: datetime) -> tuple[Metered, ...]:
    """All of this month, with the time since they were read out, each piece at the price that it had."""
    zone = ZoneInfo(get_settings().billing_time_zone)
    begin = at.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    unread: dict[tuple[UUID, str], list[tuple[int, int]]] = defaultdict(list)
    for row in await dao.unread(project_id, currency, begin, at.replace(microsecond=0)):
        unread[row.service_id, row.meter].append((int(row.seconds), int(row.month_minor)))
    found = []
    for row in await dao.meters(project_id, currency, begin.date()):
        weight, cap = int(row.weight or 0), int(row.cap or 0)
        pieces = unread[row.service_id, row.meter]
        one = Metered(
            *(row.service_id, row.name, row.meter, row.plan_id, int(row.month_minor or 0)),
            weight + sum(seconds * month for seconds, month in pieces),
            max(cap, *(month for seconds, month in pieces if seconds > 0), 0),
            capped(weight, cap),
            row.quantity,
            row.addon_id,
            row.discount_ends,
            int(row.month_after or 0),
        )
        if one.runs or one.weight:
            found.append(one)
    return tuple(found)
