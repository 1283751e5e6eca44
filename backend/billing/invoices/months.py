"""Calendar months as the operator's clock has them (`BILLING_TIME_ZONE`), clock changes included."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, order=True)
class Month:
    year: int
    number: int

    @classmethod
    def of(cls, at: datetime, zone: ZoneInfo) -> Self:
        local = at.astimezone(zone)
        return cls(local.year, local.month)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`2026-11`. Raises ValueError."""
        return cls._of_day(date.fromisoformat(f"{text}-01"))

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @property
    def first_day(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def following(self) -> Self:
        return self._of_day(self.first_day + timedelta(days=31))

    @property
    def preceding(self) -> Self:
        return self._of_day(self.first_day - timedelta(days=1))

    def begins_at(self, zone: ZoneInfo) -> datetime:
        return datetime.combine(self.first_day, time(), zone).astimezone(UTC)

    def ends_at(self, zone: ZoneInfo) -> datetime:
        """The first moment after it."""
        return self.following.begins_at(zone)

    @classmethod
    def _of_day(cls, day: date) -> Self:
        return cls(day.year, day.month)


def days_of(begin: datetime, end: datetime, zone: ZoneInfo) -> tuple[date, date]:
    """The first and the last day of a period; the first moment after it is not yet the next day."""
    first, after = begin.astimezone(zone), end.astimezone(zone)
    return first.date(), max(first, after - timedelta(microseconds=1)).date()
