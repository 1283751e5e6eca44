"""Says of an app that failed because it wrote where no container may write, what it has to do instead."""

from __future__ import annotations

import re

from backend.engines.base import EngineError
from backend.engines.health import LAST_LINES

_SIGNS = re.compile(r"read-only file system|EROFS|Errno 30\b", re.IGNORECASE)
HINT = "Only /tmp and the home folder can be written to in a container, and are empty after a restart."


def explained(error: EngineError) -> EngineError:
    """The error, with that hint if the app's last lines speak of it."""
    if not _SIGNS.search(str(error.parameters.get("output", ""))):
        return error
    said, heading, lines = error.message.partition(LAST_LINES)
    told = EngineError(error.code, f"{said} {HINT}{heading}{lines}", retry=error.retry, hint="read_only")
    return told.about(error.parameters)
