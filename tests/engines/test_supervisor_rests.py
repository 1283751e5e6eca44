"""The supervisord of the apps takes no processor time while nothing happens."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from tests.engines.app import APP
from tests.engines.conftest import Panel


def pipes_of(pid: int) -> dict[str, int]:
    """Pipes that the process has an end of: descriptors by name."""
    found = {}
    for place in Path(f"/proc/{pid}/fd").iterdir():
        name = os.readlink(place)
        if name.startswith("pipe:"):
            found[name] = int(place.name)
    return found


async def test_somebody_holds_the_other_end_of_its_pipes(panel: Panel) -> None:
    """It polls also what it only writes to, once the descriptor was another one's that it read from.

    Such a pipe without a reader would wake it without end.
    """
    await panel.run(APP)
    children = psutil.Process(panel.apps.pid).children(recursive=True)
    held = set().union(*(pipes_of(child.pid) for child in children))
    polled = {name for name, fd in pipes_of(panel.apps.pid).items() if fd > 2}
    assert polled
    assert polled <= held


async def test_apps_inherit_nothing_of_it(panel: Panel) -> None:
    await panel.run(APP)
    polled = {name for name, fd in pipes_of(panel.apps.pid).items() if fd > 2}
    children = psutil.Process(panel.apps.pid).children(recursive=True)
    (app,) = (child for child in children if "server.py" in child.cmdline()[-1:])
    assert {fd for name, fd in pipes_of(app.pid).items() if name in polled} <= {1, 2}
