"""What Docker makes of the names and values in a Dockerfile: its words, and how large variables may get."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from backend.engines.base import EngineError

LONGEST_VALUE = 128 * 1024
UNKNOWN = 4096
"""Characters of a variable that the base image brings, at most (`pulling.py` sees to it)."""
EXPANDED = frozenset(
    {"ADD", "ARG", "COPY", "ENV", "EXPOSE", "LABEL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
)
"""The instructions in which Docker puts values in the place of variables."""

# Each way of going on begins with a sign of its own, so nothing is tried twice.
_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|\\$|'[^']*'|"(?:[^"\\]|\\.)*")+""", re.DOTALL)
_BLANKS = re.compile(r"\s*")
_REFERRED = re.compile(r"\$\{?(\w+)", re.ASCII)
_FOREIGN = re.compile(r"\$\{?[A-Za-z0-9_]*[^\x00-\x7f]")
_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9][\w./-]*", re.ASCII)
_RESERVED = ("gavan.", "com.docker.swarm.")


def invalid(problem: str) -> EngineError:
    return EngineError(
        "build_failed",
        f"The Dockerfile cannot be used: {problem}.",
        detail="dockerfile_invalid",
        problem=problem,
    )


def is_reserved(label: str) -> bool:
    """Whether the label says what only the engine, or Swarm, may say."""
    return label.lower().startswith(_RESERVED)


def words(rest: str) -> Iterator[str]:
    """As they stand, with their quotes."""
    at = _BLANKS.match(rest).end()  # type: ignore[union-attr]
    while at < len(rest):
        if (found := _WORD.match(rest, at)) is None:
            raise invalid("a quote is not closed")
        yield found[0]
        at = _BLANKS.match(rest, found.end()).end()  # type: ignore[union-attr]


def pairs(instruction: str, rest: str) -> list[tuple[str, str, str]]:
    """Of ARG, ENV and LABEL: names, what stands between, and values as they stand."""
    found = list(words(rest))
    if instruction != "ARG" and found and "=" not in found[0]:
        # The old form: a name, and all the rest of the line.
        name, value = [*re.split(r"[ \t]+", rest.strip(), maxsplit=1), ""][:2]
        return [(name, " ", value)]
    return [word.partition("=") for word in found]


def label(rest: str) -> str:
    """LABEL's names and values, with names that nothing has to be put into and that nobody else may use."""
    found = []
    for name, sign, value in pairs("LABEL", rest):
        plain = name[1:-1] if name[:1] == name[-1:] and name[:1] in ("'", '"') else name
        if not _LABEL.fullmatch(plain):
            raise invalid("a LABEL has a name that is more than letters, digits and . / _ -")
        if is_reserved(plain):
            raise invalid(f"the LABEL {plain[:100]} is reserved")
        found.append(plain + sign + value)
    return " ".join(found)


class Growth:
    """Of variables made of variables: the daemon would hold whatever a few lines multiply to."""

    def __init__(self, given: Collection[str] = ()) -> None:
        """`given` are build arguments with values of their own, which no line shows."""
        self._sizes: dict[str, int] = {}
        self._given = frozenset(given)

    def check(self, instruction: str, rest: str) -> None:
        if instruction not in EXPANDED:
            return
        if _FOREIGN.search(rest):
            raise invalid("a variable's name is not made of letters, digits and _")
        size = len(rest) + sum(self._sizes.get(name, UNKNOWN) for name in _REFERRED.findall(rest))
        if size > LONGEST_VALUE:
            raise invalid("a variable grows too large")
        if instruction in ("ARG", "ENV"):
            for name, sign, _ in pairs(instruction, rest):
                if not _NAME.fullmatch(name):
                    raise invalid(f"{instruction} has a name that is more than letters, digits and _")
                known = self._sizes.get(name, 0)
                shown = bool(sign) and not (instruction == "ARG" and name in self._given)
                self._sizes[name] = max(known, size if shown else max(size, UNKNOWN))
