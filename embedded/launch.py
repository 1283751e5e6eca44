"""Become one part of the panel: `python -m embedded.launch PART`, as supervisord calls it.

When supervisord is killed, its children live on. So before a part starts, what an earlier start of it left
behind is ended, by the identity in its pid file. The part then keeps this process's pid.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from embedded import leftovers, processes
from embedded.layout import Layout
from embedded.parts import BY_NAME, Part
from embedded.settings import read

WATCH_SECONDS = 0.5


def adopt(survivor: processes.Process) -> None:
    """Stand in for a survivor: pass the stop signal on and end when it ends."""
    signal.signal(signal.SIGTERM, lambda *_: processes.send(survivor, signal.SIGTERM))
    print(f"keeping the running process {survivor.pid}", flush=True)
    while processes.alive(survivor):
        time.sleep(WATCH_SECONDS)


def leave_pipes(layout: Layout, part: Part) -> None:
    """Print to a file: what is to outlive its supervisor must not hold a pipe that breaks with it."""
    with (layout.log / f"{part.name}.out").open("w") as out:
        os.dup2(out.fileno(), sys.stdout.fileno())
        os.dup2(out.fileno(), sys.stderr.fileno())


def main(name: str) -> None:
    layout, part = Layout.of_checkout(), BY_NAME[name]
    path = leftovers.pid_file(layout, part)
    if part.adopts and (survivor := processes.leader(path)):
        adopt(survivor)
        return
    leftovers.end(layout, part)
    if part.adopts:
        leave_pipes(layout, part)
    env = read(layout.env_file)
    processes.record(path, os.getpid())
    command = part.command(layout, env)
    os.chdir(layout.root)
    given = env if part.reads is None else {name: env[name] for name in part.reads if name in env}
    os.execve(command[0], command, {**os.environ, **given, "PYTHONUNBUFFERED": "1"})  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1])
