"""People who keep coming to a service while something happens to it."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator

import httpx

from tests.support.stack import Stack

VISITORS = 4


class Visits:
    def __init__(self) -> None:
        self.texts: collections.Counter[str] = collections.Counter()
        """How often which page was seen."""
        self.failed: list[str] = []

    async def see(self, text: str, seconds: float = 30) -> None:
        """Until somebody has seen this page from now on."""
        before = self.texts[text]
        async with asyncio.timeout(seconds):
            while self.texts[text] == before:
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def visiting(stack: Stack, name: str) -> AsyncIterator[Visits]:
    """Steady requests through the edge, each by a connection of its own, until the block is left."""
    visits, ended = Visits(), asyncio.Event()

    async def visitor() -> None:
        while not ended.is_set():
            try:
                answer = await stack.visit(name)
            except httpx.HTTPError as error:
                visits.failed.append(repr(error))
            else:
                if answer.status_code == 200:
                    visits.texts[answer.text] += 1
                else:
                    visits.failed.append(f"{answer.status_code} {answer.text[:200]}")

    async with asyncio.TaskGroup() as group:
        for _ in range(VISITORS):
            group.create_task(visitor())
        try:
            yield visits
        finally:
            ended.set()
