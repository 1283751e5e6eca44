"""One way to write JSON: times in UTC with `Z`, ids as text."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson


def to_json(value: Any) -> bytes:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z)


def _plain(value: Any) -> Any:
    # The driver's own UUID type, which orjson knows only by its parent.
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
