"""What programs print, made fit for a log line: no colours, no control characters, bounded."""

from __future__ import annotations

import re

LINE_LIMIT = 2000
"""Characters of one line that are kept."""

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[PX^_][^\x1b]*\x1b\\|\x1b[ -/]*[0-~]"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean_line(raw: bytes) -> str:
    """One line as text; of a line that was redrawn with carriage returns, the last drawing."""
    raw = raw.rstrip(b"\r\n")
    cut = len(raw) > 4 * LINE_LIMIT
    last = raw.rsplit(b"\r", 1)[-1][: 4 * LINE_LIMIT]
    text = _CONTROLS.sub("", _ESCAPES.sub("", last.decode("utf-8", "replace")))
    if cut or len(text) > LINE_LIMIT:
        return text[:LINE_LIMIT] + " … (cut)"
    return text


def human_size(size: int) -> str:
    """Bytes for people: `1.4 MiB`."""
    value = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError
