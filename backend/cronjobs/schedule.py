"""Times of a cron expression in a time zone, as Debian's cron counts them.

At the changes of summer time, what happens at fixed hours happens once a day: at once after an hour that is
left out, and only the first time in an hour that comes twice. What happens every hour or minute goes on so.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

LONGEST = 100
LONGEST_LIST = 60
"""Parts of one field, separated by commas; there are no more different ones."""
LOOKED_AT = 500
"""Times in a row whose distance is measured."""
DAY = timedelta(days=1)


class ScheduleError(ValueError):
    """`code` says what is wrong: `schedule_invalid`, `schedule_never`, `schedule_too_often`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def zone_of(name: str) -> ZoneInfo | None:
    """None for what is no time zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


class Schedule:
    def __init__(self, expression: str, zone: ZoneInfo) -> None:
        """Raises `ScheduleError`, also for what would never come."""
        self._expression, self._zone = expression, zone
        fields = expression.split()
        if len(expression) > LONGEST or not expression.isascii() or len(fields) != 5:
            raise ScheduleError("schedule_invalid", "A schedule has five fields, as `*/10 * * * *`.")
        if any(field.count(",") >= LONGEST_LIST for field in fields):
            raise ScheduleError("schedule_invalid", "A field of the schedule has too many parts.")
        try:
            found = next(self.after(datetime.now(UTC)), None)
        except (CronSimError, ValueError, AssertionError, RecursionError, OverflowError) as error:
            what = str(error) if isinstance(error, CronSimError) else "it cannot be read"
            raise ScheduleError("schedule_invalid", f"The schedule is no cron expression: {what}.") from None
        if found is None:
            raise ScheduleError("schedule_never", "The schedule names a day that never comes.")

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times behind `moment`, in UTC."""
        for time in CronSim(self._expression, moment.astimezone(self._zone)):
            yield time.astimezone(UTC)

    def next(self, moment: datetime) -> datetime | None:
        return next(self.after(moment), None)

    def newest(self, since: datetime, until: datetime) -> datetime:
        """The last of the times up to `until`; `since` is one of them."""
        for begin in (max(since, until - DAY), since):
            last = None
            for time in self.after(begin):
                if time > until:
                    break
                last = time
            if last is not None:
                return last
        return since

    def check_interval(self, seconds: int, moment: datetime) -> None:
        """Raises `ScheduleError` for one that comes more often than that."""
        times = list(islice(self.after(moment), LOOKED_AT))
        least = min(((b - a).total_seconds() for a, b in pairwise(times)), default=seconds)
        if least < seconds:
            message = f"The schedule comes every {least:.0f} seconds; at least {seconds} have to lie between."
            raise ScheduleError("schedule_too_often", message)
