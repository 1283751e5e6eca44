"""`make down`: end everything that this checkout started, also what a killed supervisor left behind."""

from __future__ import annotations

import shutil

from embedded import docker, leftovers, settings
from embedded.console import say, step
from embedded.layout import Layout, locked
from embedded.parts import PARTS
from embedded.supervisor import Supervisor

LAST = ("redis", "postgres")
"""The others still write to these while they end."""


def down(layout: Layout) -> None:
    with locked(layout.home / "up.lock"):
        env = settings.read(layout.env_file)
        if not layout.run.exists() and not docker.is_engine(env):
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
        if docker.is_engine(env):
            docker.stop_apps(layout, env)
        leftovers.end_all(layout, (part for part in PARTS if part.name in LAST))
        if layout.run.parent != layout.home:
            shutil.rmtree(layout.run, ignore_errors=True)
    say("  everything is stopped; the data stays in .gavan/")
