"""What may stand in a record: JSON that the database can hold, short, and nothing that looks secret.

Callers give no secrets; this is the second lock on that door.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from backend.logger import redact

LONGEST_TEXT = 1_000
MOST_ITEMS = 200
MASK = "•••"

_SECRET_NAME = re.compile(r"(?i)(^|_)(password|secret|token|hash|private_key|sealed)$")


def cut(text: str | None, length: int) -> str | None:
    """The text without what the database refuses (NUL, half surrogate pairs), and no longer than that."""
    if text is None:
        return None
    held = text.replace("\0", "�").encode("utf-8", "replace").decode()
    return held if len(held) <= length else held[: length - 1] + "…"


def recordable(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return _fields(values) if values else None


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Only the fields that differ, as they were and as they are; None if nothing does."""
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if not changed:
        return None
    return (
        {name: before[name] for name in changed if name in before},
        {name: after[name] for name in changed if name in after},
    )


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    fields = {}
    for name, value in list(values.items())[:MOST_ITEMS]:
        masked = isinstance(value, str) and _SECRET_NAME.search(str(name))
        fields[_text(str(name))] = MASK if masked else _value(value)
    return fields


def _value(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return _fields(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Iterable) and not isinstance(value, str):
        # The order of a set is not the same twice.
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else list(value)
        return [_value(item) for item in items[:MOST_ITEMS]]
    return _text(str(value))


def _text(text: str) -> str:
    return cut(redact(text[: LONGEST_TEXT * 4]), LONGEST_TEXT) or ""
