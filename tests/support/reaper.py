"""Takes down what a killed test run leaves running: `python -m tests.support.reaper`, told by its stdin.

Fixtures do not end when pytest is ended by a signal; this waits for its process and does it instead.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from embedded import processes

ROOT = Path(__file__).resolve().parents[2]
GRACE_SECONDS = 20


def watch(folder: Path) -> None:
    """Have all that runs out of `folder` ended, and it removed, once this process is gone; unless it was
    before. An installation (`c` its checkout, `h` its home) is taken down in order.
    """
    order = json.dumps({"pid": os.getpid(), "folder": str(folder)})
    # Not on its command line, where it would count as one of the folder's own processes.
    reaper = subprocess.Popen(
        [sys.executable, "-m", "tests.support.reaper"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    assert reaper.stdin
    reaper.stdin.write(order)
    reaper.stdin.close()


def running(folder: Path) -> Iterator[processes.Process]:
    """Whatever names the folder on its command line."""
    for process in processes.everything():
        with suppress(OSError):
            if f"{folder}/".encode() in Path(f"/proc/{process.pid}/cmdline").read_bytes():
                yield process


def main() -> None:
    order = json.load(sys.stdin)
    folder = Path(order["folder"])
    with suppress(ProcessLookupError):
        select.select([os.pidfd_open(order["pid"])], [], [])
    if not folder.exists():
        return
    if (folder / "c").exists():
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [sys.executable, "-m", "embedded.cli", "down"],
                cwd=folder / "c",
                env={**os.environ, "GAVAN_HOME": str(folder / "h")},
                capture_output=True,
                timeout=120,
                check=False,
            )
    # To PostgreSQL this means: disconnect everybody and end at once.
    processes.end(running(folder), signal.SIGINT, GRACE_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
