"""What a .dockerignore leaves out, by Docker's rules and in time that no pattern can stretch."""

from __future__ import annotations

import fnmatch
import functools
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass

from backend.engines.base import EngineError

LONGEST = 64 * 1024
MOST_PATTERNS = 200
MOST_PARTS = 20
LONGEST_PART = 255


@dataclass(frozen=True, slots=True)
class Pattern:
    parts: tuple[str, ...]
    keeps: bool
    """Begins with `!`: what matches is taken back in."""

    @property
    def whole(self) -> int:
        return 1 << len(self.parts)

    def begun(self, reached: int) -> int:
        """With the places behind each `**` that was reached, for it may stand for nothing."""
        for at, word in enumerate(self.parts):
            if word == "**" and reached >> at & 1:
                reached |= 1 << (at + 1)
        return reached

    def below(self, reached: int, name: str) -> int:
        """The places of the pattern, one bit each, that are reached by a further folder or file."""
        # What lies in a folder that matched, matches.
        further = reached & self.whole
        for at, word in enumerate(self.parts):
            if reached >> at & 1:
                if word == "**":
                    further |= 1 << at
                elif _part(word)(name):
                    further |= 1 << (at + 1)
        return self.begun(further) if further else 0


@dataclass(frozen=True, slots=True)
class Place:
    """A path, as far as patterns go: of each, which of its places the path has reached."""

    reached: tuple[int, ...]
    left_out: bool


class Ignore:
    """Raises `build_failed` for a file that would take long."""

    def __init__(self, text: str) -> None:
        patterns = (_pattern(line.strip()) for line in text.splitlines() if not line.startswith("#"))
        self._patterns = [pattern for pattern in patterns if pattern is not None]
        if len(text) >= LONGEST or len(self._patterns) > MOST_PATTERNS:
            raise invalid(f"it has more than {MOST_PATTERNS} patterns or {LONGEST} characters")
        self.keeps_some = any(pattern.keeps for pattern in self._patterns)
        """Whether a folder that is left out may hold something that is not."""
        self.root = Place(tuple(pattern.begun(1) for pattern in self._patterns), False)

    def below(self, place: Place, name: str) -> Place:
        """The last pattern that matches the path, or a folder above it, decides."""
        reached, left_out = [], False
        for pattern, before in zip(self._patterns, place.reached, strict=True):
            now = pattern.below(before, name) if before else 0
            if now & pattern.whole:
                left_out = not pattern.keeps
            reached.append(now)
        return Place(tuple(reached), left_out)


def invalid(problem: str) -> EngineError:
    return EngineError(
        "build_failed",
        f"The file .dockerignore cannot be used: {problem}.",
        detail="dockerignore_invalid",
        problem=problem,
    )


def _pattern(line: str) -> Pattern | None:
    keeps = line.startswith("!")
    cleaned = posixpath.normpath("/" + line.removeprefix("!").strip()).strip("/")
    parts = tuple(cleaned.split("/"))
    if len(parts) > MOST_PARTS or any(len(part) > LONGEST_PART for part in parts):
        raise invalid("a pattern is too long")
    return Pattern(parts, keeps) if cleaned else None


@functools.lru_cache(maxsize=MOST_PATTERNS * MOST_PARTS)
def _part(word: str) -> Callable[[str], object]:
    """A matcher for one part of a path; `fnmatch` writes expressions that do not backtrack."""
    literal = re.sub(r"\\(.)", r"[\1]", word).replace("[^", "[!")
    return re.compile(fnmatch.translate(literal)).match
