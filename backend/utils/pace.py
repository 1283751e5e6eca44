"""Answers that take as long whatever was found: how long one takes must not tell what is in the database.

An answer waits for the end of a step that begins with the request. The step is kept above twice what such
answers take on this machine under its present load, so that none falls beyond its end because it found
something: it grows at once, and shrinks when there was no need of it for a while.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

LEAST = 0.1
MOST = 3.2
CALM = 60.0
"""Seconds without need of so long a step, after which it is halved."""


@dataclass(slots=True)
class _Step:
    seconds: float
    needed_at: float


class Pace:
    """One per application."""

    def __init__(self) -> None:
        self._steps: dict[str, _Step] = {}

    @asynccontextmanager
    async def evenly(self, what: str) -> AsyncIterator[None]:
        """Hold no connection around it."""
        began = time.monotonic()
        yield
        await self.even_out(what, began)

    async def even_out(self, what: str, began: float) -> None:
        """Wait until an answer that began at this moment (of `time.monotonic`) may leave."""
        at = time.monotonic()
        taken = at - began
        step = self._steps.setdefault(what, _Step(LEAST, at))
        if taken > step.seconds / 4:
            step.needed_at = at
        while step.seconds > LEAST and at - step.needed_at > CALM:
            step.seconds /= 2
            step.needed_at += CALM
        while taken > step.seconds / 2 and step.seconds < MOST:
            step.seconds *= 2
        await asyncio.sleep(step.seconds - taken % step.seconds)
