"""Runs a command as if inside a unit of the process engine: its sandbox, files, variables and limits."""

from __future__ import annotations

import marshal
import os
from pathlib import Path
from typing import Any

from backend.engines import processes, sandbox
from backend.engines.startup import shell_script
from backend.engines.watch import Output, TimedOut, TooLarge, run_guarded

GUARDED_BYTES = 1 << 40
"""What it may write is bounded by the limits of its files alone."""


async def _unheard(_line: str) -> None:
    """What a check prints is nobody's log."""


async def run(
    isolation: sandbox.Isolation,
    release: dict[str, Any],
    command: str,
    *,
    home: Path,
    marker: str,
    timeout: float,
) -> int:
    """Its exit status. Raises TimeoutError when it did not end in time."""
    stage = release["stage"]
    order = {
        **stage,
        "argv": ["/bin/sh", "-c", shell_script(command)],
        "env": {**stage["env"], processes.MARKER: marker},
    }
    cwd = Path(stage["cwd"])
    words = [
        *sandbox.enter(
            isolation,
            home=home,
            writable=[Path(release["tree"])],
            cwd=cwd,
            together=True,
            shown=sandbox.show({**release, "files": ()}),
        ),
        *sandbox.stage_words(isolation),
    ]
    try:
        return await run_guarded(
            words,
            cwd=cwd,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", processes.MARKER: marker},
            stdin=marshal.dumps(order),
            timeout=timeout,
            folders=[home / "sandbox"],
            max_bytes=GUARDED_BYTES,
            output=Output(_unheard),
        )
    except (TimedOut, TooLarge):
        raise TimeoutError from None
