"""How dense samples are, for how long they are kept, and which of them a page shows."""

from __future__ import annotations

from dataclasses import dataclass

from backend.metrics.models import COARSE, FINE, MIDDLE

DAY = 24 * 3600
KEPT_SECONDS = {FINE: DAY, MIDDLE: 7 * DAY}
"""The coarse ones stay as long as the installation says (METRICS_RETENTION_DAYS)."""


@dataclass(frozen=True, slots=True)
class Range:
    seconds: int
    step: int
    """Seconds between two points of the answer: a few hundred, whatever the range."""
    source: int
    """Of which samples they are made."""


RANGES = {
    "1h": Range(3600, FINE, FINE),
    "24h": Range(DAY, MIDDLE, MIDDLE),
    "7d": Range(7 * DAY, 1800, MIDDLE),
    "90d": Range(90 * DAY, 6 * 3600, COARSE),
}
