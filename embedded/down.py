"""`make down`: end everything that this checkout started, also what a killed supervisor left behind."""

from __future__ import annotations

import shutil

from embedded import leftovers
from embedded.console import say, step
from embedded.layout import Layout, locked
from embedded.parts import PARTS
from embedded.supervisor import Supervisor

LAST = ("redis", "postgres")
"""The others still write to these while they end."""


def down(layout: Layout) -> None:
    with locked(layout.home / "up.lock"):
        if not layout.run.exists():
            say("  nothing is running")
            return
        supervisor = Supervisor(layout)
        if supervisor.answers():
            with step("stopping customers' services and the panel"):
                supervisor.stop(*(part.name for part in PARTS if part.name not in LAST))
            with step("stopping Redis and PostgreSQL"):
                supervisor.stop(*LAST)
        supervisor.shut_down()
        leftovers.end_all(layout, (part for part in PARTS if part.name not in LAST))
        leftovers.end_customers(layout)
        leftovers.end_all(layout, (part for part in PARTS if part.name in LAST))
        if layout.run.parent != layout.home:
            shutil.rmtree(layout.run)
    say("  everything is stopped; the data stays in .gavan/")
