"""Watch paths: which changes of a repository concern a service. Patterns as in a `.gitignore`.

The last pattern that matches a file decides, and `!` takes out what an earlier one took in. Matching is
RE2's: a customer's pattern against a customer's file names must take no longer than the one times the
other is long, which the standard library's expressions do not promise. That product may be seconds all the
same, so it is cut off.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Sequence

from pathspec import PathSpec

from backend.exceptions import invalid_field

MOST = 50
LONGEST = 200
PATIENCE = 0.5
"""Seconds; twenty thousand files and the most patterns take less than a tenth of them."""
_EVERYTHING = "**"


def check(patterns: Sequence[str]) -> list[str]:
    """The patterns as they are kept: without blanks and comments. Raises `Invalid` for what is none."""
    for at, pattern in enumerate(patterns):
        try:
            _spec([pattern])
        except Exception:
            # Each of the two libraries has errors of its own for this, one of them in its C part only.
            message = f"“{pattern}” is not a pattern."
            raise invalid_field(["body", "watch_paths", at], message, "pattern_invalid") from None
    kept = (pattern.strip() for pattern in patterns)
    return [pattern for pattern in kept if pattern and not pattern.startswith("#")]


def concern(patterns: Sequence[str], files: Iterable[str]) -> bool:
    """Whether any of the files is watched, or may be, since it takes too long to say.

    Without patterns all are.
    """
    if not patterns:
        return True
    spec, until = _spec(patterns), time.monotonic() + PATIENCE
    return any(spec.match_file(file) or time.monotonic() > until for file in files)


def _spec(patterns: Sequence[str]) -> PathSpec:
    # Who begins with an exception means: all but this.
    first = [_EVERYTHING] if patterns and patterns[0].startswith("!") else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PathSpec.from_lines("gitignore", [*first, *patterns], backend="re2")
