"""What the person at the terminal sees: one line a step, with its time, and errors that say what to do."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

WIDTH = 58


class Failure(Exception):
    """Something a person has to look at: what happened, and what to do about it."""

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice

    def report(self) -> str:
        return f"\n✗ {self.what.strip()}" + (f"\n  → {self.advice}" if self.advice else "")


def say(line: str = "") -> None:
    print(line, flush=True)


class Step:
    """The line of one step: `detail` goes behind its title, `more` says how far it is."""

    def __init__(self, title: str) -> None:
        self.length = len(title) + 2
        print(f"  {title}", end="", flush=True)

    def more(self, text: str) -> None:
        self.length += len(text) + 3
        print(f" · {text}", end="", flush=True)


@contextmanager
def step(title: str) -> Iterator[Step]:
    begin = time.monotonic()
    line = Step(title)
    try:
        yield line
    except BaseException:
        print(" ✗", flush=True)
        raise
    print(f"{' ' * max(1, WIDTH - line.length)} {time.monotonic() - begin:5.1f} s", flush=True)


def warn(line: str) -> None:
    print(f"  ! {line}", file=sys.stdout, flush=True)
