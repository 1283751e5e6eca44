"""A project's money at a glance, and that of all projects."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.dunning import rules
from backend.billing.dunning.dao import PaidServiceDAO, StateDAO
from backend.billing.dunning.judging import Rules
from backend.billing.dunning.models import Stage
from backend.billing.dunning.sums import MoneyDAO
from backend.billing.invoices.months import Month
from backend.billing.ledger import standing
from backend.billing.metering import forecast
from backend.config import Settings


async def of_project(
    session: AsyncSession, settings: Settings, project_id: UUID, at: datetime
) -> dict[str, Any]:
    zone = ZoneInfo(settings.billing_time_zone)
    month = Month.of(at, zone)
    own = (await standing.of(session, project_id))[0]
    rate = await forecast.of(session, project_id, at=at)
    left = rate.days_left
    state = await StateDAO(session).get(project_id)
    services = PaidServiceDAO(session)
    money = MoneyDAO(session)
    began, before = month.begins_at(zone), month.preceding.begins_at(zone)
    by = await rules.of_project(session, project_id, at)
    # Without a grace, what was used and a unit more: of nothing left, nothing runs.
    beyond = rate.accrued + 1 - forecast.funds_of(own)
    return {
        "currency": own.currency,
        "balance_minor": own.balance,
        "held_minor": own.held,
        "due_minor": -own.due,
        "resume_minor": max(-own.due, 0 if by.grace_days else beyond),
        "credit_limit_minor": own.credit_limit,
        "available_minor": own.available,
        "month_rate_minor": rate.per_month,
        "days_left": left,
        "runs_out_at": None if left is None else at + timedelta(days=left),
        "spent_minor": await money.spent(project_id, own.currency, began, at) + rate.accrued,
        "spent_before_minor": await money.spent(project_id, own.currency, before, began),
        "month": str(month),
        "stage": state.stage if state else Stage.OK,
        "since": state.since if state else None,
        "next_at": state.next_at if state else None,
        "paid_services": await services.count_of(project_id),
        "suspended_services": await services.suspended_of(project_id),
        "rules": shape_rules(by),
    }


async def of_everyone(session: AsyncSession, settings: Settings, at: datetime) -> dict[str, Any]:
    zone = ZoneInfo(settings.billing_time_zone)
    month = Month.of(at, zone)
    began, before = month.begins_at(zone), month.preceding.begins_at(zone)
    money = MoneyDAO(session)
    earned = await money.earned(began, at)
    earlier = await money.earned(before, began)
    totals = await money.totals()
    currencies = [settings.currency, *sorted({*earned, *earlier, *totals} - {settings.currency})]
    return {
        "month": str(month),
        "money": [
            {
                "currency": currency,
                "revenue_minor": earned.get(currency, {}).get("revenue", 0),
                "revenue_before_minor": earlier.get(currency, {}).get("revenue", 0),
                "tax_minor": earned.get(currency, {}).get("tax", 0),
                **totals.get(currency, {"balances_minor": 0, "held_minor": 0, "due_minor": 0, "debtors": 0}),
            }
            for currency in currencies
        ],
        "stages": await StateDAO(session).counts(),
        "suspended_services": await PaidServiceDAO(session).suspended_of(None),
        "rules": shape_rules(await rules.general(session)),
    }


def shape_rules(found: Rules) -> dict[str, Any]:
    return {
        "warn_days": list(found.warn_days),
        "grace_days": found.grace_days,
        "terminate_days": found.terminate_days,
        "notice_days": list(found.notice_days),
    }
