"""What units printed, as an engine gives it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogLine:
    cursor: str
    """Opaque position just behind this line."""
    text: str
    deployment_id: str
    """Of the release that printed it."""
    unit: str = "web.1"
    """Of its units, the one that did."""


@dataclass(frozen=True, slots=True)
class LogPage:
    lines: list[LogLine]
    next: str
    """Ask with it for what comes later; stable across rotation."""
    truncated: bool = False
    """The asked position is gone (rotated away); the page begins at the oldest kept line."""


@dataclass(frozen=True, slots=True)
class LogFound:
    lines: list[LogLine]
    """The newest first."""
    before: str | None
    """Ask with it for older ones; None when everything has been looked at."""


class BadCursor(ValueError):
    """It is none of a search."""
