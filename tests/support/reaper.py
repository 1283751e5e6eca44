"""Takes down an installation whose tests were killed: `python -m tests.support.reaper`, told by its stdin.

Fixtures do not end when pytest is ended by a signal; this waits for its process and does it instead.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.servers import ROOT


def watch(folder: Path) -> None:
    """Have `folder`'s installation taken down once this process is gone, unless it was before."""
    order = json.dumps({"pid": os.getpid(), "folder": str(folder)})
    # Not on its command line, where it would count as one of the installation's own processes.
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


def main() -> None:
    order = json.load(sys.stdin)
    folder = Path(order["folder"])
    try:
        descriptor = os.pidfd_open(order["pid"])
    except ProcessLookupError:
        pass
    else:
        select.select([descriptor], [], [])
    if folder.exists():
        subprocess.run(
            [sys.executable, "-m", "embedded.cli", "down"],
            cwd=folder / "c",
            env={**os.environ, "GAVAN_HOME": str(folder / "h")},
            capture_output=True,
            timeout=120,
            check=False,
        )
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
