"""What a benchmark hands back, and how it is printed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from statistics import median


class Unable(Exception):
    """The benchmark cannot run on this machine; the message says what it lacks."""


@dataclass
class Result:
    name: str
    value: float
    unit: str
    ratio: float | None
    """To the base measured in the same run; None where there is nothing to compare with."""
    aim: str
    runs: int
    facts: list[tuple[str, str]] = field(default_factory=list)
    """What else was seen, for people: (what, how much)."""

    @property
    def line(self) -> str:
        known = asdict(self)
        del known["facts"]
        known["value"] = round(self.value, 3)
        known["ratio"] = None if self.ratio is None else round(self.ratio, 3)
        return json.dumps(known)


def show(results: list[Result]) -> None:
    """A table for people, then one JSON line each for programs."""
    for result in results:
        ratio = "" if result.ratio is None else f"   ratio {result.ratio:.2f}"
        print(f"\n{result.name:<18} {result.value:>9,.2f} {result.unit}{ratio}   aim {result.aim}")
        for what, how_much in result.facts:
            print(f"    {what:<44} {how_much}")
    print()
    for result in results:
        print(result.line)


def middle(values: list[float]) -> float:
    return median(values)
