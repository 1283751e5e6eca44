"""Months as people count them, in the time zone of billing."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from backend.config import get_settings


def months_later(at: datetime, months: int) -> datetime:
    """The same day and time so many months on; the last day of a month that has no such day."""
    here = at.astimezone(ZoneInfo(get_settings().billing_time_zone))
    year, month = divmod(here.year * 12 + here.month - 1 + months, 12)
    day = min(here.day, monthrange(year, month + 1)[1])
    return here.replace(year=year, month=month + 1, day=day).astimezone(UTC)
