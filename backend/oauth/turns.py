"""Tries at one account from one place take turns, lest right ones that come together refuse each other.

A try counts as a wrong one until it turned out right (`limits`), so of many at once those beyond the
free ones would be told to come back, whatever they show. Here no more are under way in a process than
are free, and the others wait. Guesses gain nothing by it: each is counted before it is looked at, and
who waited for wrong ones is refused as before (ADR 0016).
"""

from __future__ import annotations

from asyncio import Semaphore
from collections.abc import Hashable
from weakref import WeakValueDictionary


class Turns:
    def __init__(self, at_once: int) -> None:
        self._at_once = max(1, at_once)
        # Kept by those who wait or are under way, and gone with the last of them.
        self._taken: WeakValueDictionary[Hashable, Semaphore] = WeakValueDictionary()

    def of(self, whose: Hashable) -> Semaphore:
        """For `async with`."""
        turn = self._taken.get(whose)
        if turn is None:
            turn = self._taken[whose] = Semaphore(self._at_once)
        return turn
