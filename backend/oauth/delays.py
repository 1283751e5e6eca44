"""Growing delays between wrong guesses: a few tries are free, then one has to wait 1, 2, 4 … seconds.

Guesses at one account are counted twice: `here`, those from one network, and `anywhere`, those from
all networks but the ones where the account's secret was shown rightly of late. So nobody elsewhere
can keep a person from signing in where that person usually does, however long they guess. A browser
that is known counts for itself, wherever it is: not even its neighbours slow it down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from redis.asyncio import ConnectionPool, Redis

FORGOTTEN = 86_400
"""Seconds without a guess after which an account's count starts anew."""
KNOWN = 90 * 86_400
"""Seconds for which a network stays known after a right guess."""
REMEMBERED = 10_000
"""Entries at most that a process keeps while Redis is away; the oldest gives way."""


@dataclass(frozen=True, slots=True)
class Delays:
    free: int
    longest: float

    def after(self, tries: int) -> float:
        """Seconds to wait after so many tries."""
        return 0.0 if tries < self.free else min(self.longest, 2.0 ** min(tries - self.free, 40))


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose secret is guessed, and from where."""

    account: str
    network: str
    """Or the browser, if it is a known one."""
    here: Delays
    anywhere: Delays

    @property
    def keys(self) -> list[str]:
        here = f"{self.account}:{self.network}"
        return [here, self.account, f"{here}:known"]


class Guesses(Protocol):
    async def take(self, subject: Subject) -> float:
        """Count a guess, as wrong until it is forgiven; or, if it comes too early, seconds to wait."""

    async def knows(self, subject: Subject) -> bool:
        """Whether a right guess was made from there of late."""

    async def look(self, subject: Subject) -> float:
        """Seconds to wait until the next guess is taken; nothing is counted."""

    async def add(self, subject: Subject) -> None:
        """Count a wrong guess."""

    async def forgive(self, subject: Subject) -> None:
        """The guess was right: this network starts anew, and is known."""


_COUNT = """
local now, refuses, counts = tonumber(ARGV[1]), ARGV[2] == '1', ARGV[3] == '1'
local last = redis.call('EXISTS', KEYS[3]) == 1 and 1 or 2
local wait = 0
for i = 1, last do
    wait = math.max(wait, (tonumber(redis.call('HGET', KEYS[i], 'until')) or 0) - now)
end
if refuses and wait > 0 or not counts then
    return tostring(wait)
end
for i = 1, last do
    local free, longest = tonumber(ARGV[2 + 2 * i]), tonumber(ARGV[3 + 2 * i])
    local tries = redis.call('HINCRBY', KEYS[i], 'tries', 1)
    if tries >= free then
        local delay = math.min(longest, 2 ^ math.min(tries - free, 40))
        redis.call('HSET', KEYS[i], 'until', tostring(now + delay))
    end
    redis.call('EXPIRE', KEYS[i], ARGV[8])
end
return '0'
"""
_FORGIVE = """
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[3]) == 0 and (tonumber(redis.call('HGET', KEYS[2], 'tries')) or 0) > 0 then
    redis.call('HINCRBY', KEYS[2], 'tries', -1)
end
redis.call('SET', KEYS[3], '1', 'EX', ARGV[1])
"""


class SharedGuesses:
    """In Redis, for all processes."""

    def __init__(self, pool: ConnectionPool, prefix: str) -> None:
        self._redis = redis = Redis(connection_pool=pool)
        self.clock: Callable[[], float] = time.time
        self._prefix = prefix
        self._count = redis.register_script(_COUNT)
        self._forgive = redis.register_script(_FORGIVE)

    async def take(self, subject: Subject) -> float:
        return await self._run(subject, refuses=True, counts=True)

    async def knows(self, subject: Subject) -> bool:
        return bool(await self._redis.exists(self._keys(subject)[2]))

    async def look(self, subject: Subject) -> float:
        return await self._run(subject, refuses=True, counts=False)

    async def add(self, subject: Subject) -> None:
        await self._run(subject, refuses=False, counts=True)

    async def forgive(self, subject: Subject) -> None:
        await self._forgive(keys=self._keys(subject), args=[KNOWN])

    async def _run(self, subject: Subject, *, refuses: bool, counts: bool) -> float:
        here, anywhere = subject.here, subject.anywhere
        limits = (here.free, here.longest, anywhere.free, anywhere.longest)
        arguments = [self.clock(), int(refuses), int(counts), *limits, FORGOTTEN]
        return float(await self._count(keys=self._keys(subject), args=arguments))

    def _keys(self, subject: Subject) -> list[str]:
        return [f"{self._prefix}:{key}" for key in subject.keys]


@dataclass(slots=True)
class _Entry:
    tries: int
    until: float
    expires: float


class OwnGuesses:
    """In this process's memory, while Redis is away."""

    def __init__(self) -> None:
        self.clock: Callable[[], float] = time.time
        self._entries: dict[str, _Entry] = {}

    async def take(self, subject: Subject) -> float:
        wait = await self.look(subject)
        if wait <= 0:
            await self.add(subject)
        return wait

    async def knows(self, subject: Subject) -> bool:
        return self._entry(subject.keys[2]).expires > 0

    async def look(self, subject: Subject) -> float:
        return max(0.0, *(self._entry(key).until - self.clock() for key, _ in self._counted(subject)))

    async def add(self, subject: Subject) -> None:
        at = self.clock()
        for key, delays in self._counted(subject):
            tries = self._entry(key).tries + 1
            self._put(key, _Entry(tries, at + delays.after(tries), at + FORGOTTEN))

    async def forgive(self, subject: Subject) -> None:
        here, anywhere, known = subject.keys
        self._entries.pop(here, None)
        entry = self._entry(anywhere)
        if known not in self._entries and entry.tries > 0:
            entry.tries -= 1
        self._put(known, _Entry(0, 0.0, self.clock() + KNOWN))

    def _counted(self, subject: Subject) -> list[tuple[str, Delays]]:
        here, anywhere, _ = subject.keys
        counted = [(here, subject.here), (anywhere, subject.anywhere)]
        return counted[:1] if self._entry(subject.keys[2]).expires > 0 else counted

    def _entry(self, key: str) -> _Entry:
        entry = self._entries.get(key)
        if entry is None or entry.expires <= self.clock():
            return _Entry(0, 0.0, 0.0)
        return entry

    def _put(self, key: str, entry: _Entry) -> None:
        self._entries.pop(key, None)
        if len(self._entries) >= REMEMBERED:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = entry
