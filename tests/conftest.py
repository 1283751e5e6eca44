"""Shared by all tests; the fixtures are in `tests.support`."""

from __future__ import annotations

import os

pytest_plugins = [
    "tests.support.backing",
    "tests.support.stack",
    "tests.support.containerstack",
    "tests.support.mailbox",
    "tests.support.clocks",
    "tests.support.coffer",
    "tests.billing.stripelike",
    "tests.billing.yookassalike",
    "tests.billing.paying",
]


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are cores: tests of real parts wait as often as they work."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)
