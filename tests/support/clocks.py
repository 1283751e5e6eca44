"""Clocks that tests hold."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from backend.oauth import delays


@pytest.fixture
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two guesses, however slow the machine is: a delay of one second does not end meanwhile."""
    now = float(int(time.time()))
    monkeypatch.setattr(delays, "time", SimpleNamespace(time=lambda: now))
