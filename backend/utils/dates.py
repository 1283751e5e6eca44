"""Days and moments as clients write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _written(value: object) -> object:
    """pydantic takes a number for seconds since 1970 too, which nobody means."""
    if isinstance(value, date) or (isinstance(value, str) and _WRITTEN.fullmatch(value)):
        return value
    raise ValueError("must be a day, as 2026-11-22")


Day = Annotated[date, BeforeValidator(_written)]
"""RFC 3339 `full-date`, and nothing else."""


def _moment(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and _WRITTEN.match(value)):
        return value
    raise ValueError("must be a moment, as 2026-11-22T12:00:00Z")


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
"""RFC 3339 `date-time`, and nothing else."""


def _of_our_time(value: datetime) -> datetime:
    if not 2000 <= value.year < 3000:
        raise ValueError("must lie between the years 2000 and 3000")
    return value.astimezone(UTC)


OurTime = Annotated[AwareDatetime, AfterValidator(_of_our_time)]
"""When something of ours may have happened, in UTC."""
