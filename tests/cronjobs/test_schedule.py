"""Times of a schedule: summer time, times that were missed, and expressions that nobody means well with."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from backend.cronjobs.schedule import Schedule, ScheduleError, zone_of

BERLIN = ZoneInfo("Europe/Berlin")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def times(expression: str, since: datetime, count: int, zone: ZoneInfo = BERLIN) -> list[datetime]:
    return list(islice(Schedule(expression, zone).after(since), count))


def test_an_hour_that_is_left_out_loses_nothing_of_a_fixed_hour() -> None:
    # 02:00 to 03:00 do not exist on 2027-03-28 in Berlin.
    assert times("30 2 * * *", utc(2027, 3, 27, 0), 3) == [
        utc(2027, 3, 27, 1, 30),
        utc(2027, 3, 28, 1, 0),
        utc(2027, 3, 29, 0, 30),
    ]
    assert times("30 * * * *", utc(2027, 3, 28, 0), 3) == [utc(2027, 3, 28, hour, 30) for hour in range(3)]


def test_an_hour_that_comes_twice_counts_once_for_a_fixed_hour() -> None:
    # 02:00 to 03:00 come twice on 2027-10-31 in Berlin.
    assert times("30 2 * * *", utc(2027, 10, 30, 0), 3) == [
        utc(2027, 10, 30, 0, 30),
        utc(2027, 10, 31, 0, 30),
        utc(2027, 11, 1, 1, 30),
    ]
    assert times("*/30 * * * *", utc(2027, 10, 30, 23, 59), 5) == [
        utc(2027, 10, 31, 0, 0) + timedelta(minutes=30 * n) for n in range(5)
    ]


@pytest.mark.parametrize(
    ("expression", "since", "until", "newest"),
    [
        ("* * * * *", utc(2026, 1, 1), utc(2026, 11, 22, 12, 0, 30), utc(2026, 11, 22, 12, 0)),
        ("0 4 * * *", utc(2026, 11, 1, 4), utc(2026, 11, 22, 12), utc(2026, 11, 22, 4)),
        ("0 4 1 * *", utc(2026, 1, 1, 4), utc(2026, 11, 22, 12), utc(2026, 11, 1, 4)),
        ("0 4 1 1 *", utc(2026, 1, 1, 4), utc(2026, 11, 22, 12), utc(2026, 1, 1, 4)),
    ],
)
def test_the_newest_of_what_was_missed_is_found_soon(
    expression: str, since: datetime, until: datetime, newest: datetime
) -> None:
    began = time.process_time()
    assert Schedule(expression, ZoneInfo("UTC")).newest(since, until) == newest
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "expression",
    [
        *("", "*", "* * * *", "* * * * * *", "@daily", "60 * * * *", "* 24 * * *", "* * 0 * *"),
        *("*/0 * * * *", "5-1 * * * *", "- * * * *", "a b c d e", "٣ * * * *", "* * * * 8", "1,,2 * * * *"),
        *("* * * * L", "LW/2 * * * *", "1#1 * * * *", "*/99999999999999 * * * x"),
        *("* " * 4 + "*" * 200, ",".join(["1"] * 90) + " * * * *", "1/L * * * *"),
    ],
)
def test_no_schedule(expression: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        Schedule(expression, BERLIN)
    assert caught.value.code == "schedule_invalid"


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 2 *"])
def test_a_day_that_never_comes(expression: str) -> None:
    with pytest.raises(ScheduleError):
        Schedule(expression, BERLIN)


def test_too_often() -> None:
    moment = utc(2026, 11, 22)
    Schedule("* * * * *", BERLIN).check_interval(60, moment)
    Schedule("0 * * * *", BERLIN).check_interval(3600, moment)
    with pytest.raises(ScheduleError, match="every 60 seconds"):
        Schedule("0,1 4 * * *", BERLIN).check_interval(300, moment)


@pytest.mark.parametrize("name", ["", "Mars/Base", "../etc/passwd", "/etc/localtime", "UTC\0", "a" * 64, "Ä"])
def test_no_time_zone(name: str) -> None:
    assert zone_of(name) is None
