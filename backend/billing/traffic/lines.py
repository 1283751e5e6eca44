"""A line of the edge's traffic log, and many of them summed.

What stands in it comes from whoever asks the edge: nothing is taken for what it should be before it was seen
to be. A line that is none is passed over, for there will be no better one in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

# Not from the beginning on: a line that was cut off in the middle has the next one behind it, which counts.
_LINE = re.compile(rb"([0-9]{10})\.[0-9]{3} [0-9a-f]{32} ([0-9]{1,15}) ([0-9]{1,15}) ([!-~]{1,253})$")
_MINUTE = 60
ANY_NAME = "0service0"
"""Stands for a name where no other text does."""
AHEAD = timedelta(minutes=5)
"""A clock may differ by that much; what is further in the future is taken for now."""


@dataclass(slots=True)
class Sums:
    """By host and minute: requests, bytes received and sent."""

    by: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    garbled: int = 0

    def take(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            found = _LINE.search(line)
            if found is None:
                self.garbled += 1
                continue
            second, sent, received, host = found.groups()
            key = host.decode().lower().rstrip("."), int(second) // _MINUTE
            sums = self.by.setdefault(key, [0, 0, 0])
            sums[0] += 1
            sums[1] += int(received)
            sums[2] += int(sent)

    def columns(self, address: re.Pattern[str], now: datetime) -> dict[str, list[Any]]:
        """As arrays; `address` tells the name of a service from its host."""
        columns: dict[str, list[Any]] = {
            name: [] for name in ("names", "hosts", "moments", "requests", "received", "sent")
        }
        for (host, minute), (requests, received, sent) in self.by.items():
            named = address.fullmatch(host)
            moment = datetime.fromtimestamp(minute * _MINUTE, UTC)
            columns["names"].append(named[1] if named else None)
            columns["hosts"].append(host)
            columns["moments"].append(now if moment > now + AHEAD else moment)
            columns["requests"].append(requests)
            columns["received"].append(received)
            columns["sent"].append(sent)
        return columns


def address_of(host: str) -> re.Pattern[str]:
    """Hosts of services' own names, by that of one whose name is `ANY_NAME`."""
    before, _, after = host.partition(ANY_NAME)
    return re.compile(rf"{re.escape(before)}([a-z0-9-]{{1,63}}){re.escape(after)}")
