"""How often a secret may be guessed and a message asked for: one declared table, one call.

    await limits.check("second_factor", account=str(user_id), address=caller.address)
    … look at the secret …
    await limits.succeeded("second_factor", account=str(user_id), address=caller.address)

`check` raises `TooManyRequests`, which says when to come back. It counts the guess as a wrong one
before anybody looks at it, so that many at once gain nothing; `succeeded` takes that back. Where a
limit does not `count_first`, because what it guards cannot be guessed and is shown often, `failed`
counts. Counts live in Redis, and in this process's memory while Redis is away.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from loguru import logger
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from backend.config import Settings
from backend.exceptions import TooManyRequests
from backend.oauth.delays import Delays, Guesses, OwnGuesses, SharedGuesses, Subject
from backend.utils import addresses

AWAY_PAUSE = 5.0
"""Seconds during which an unreachable Redis is not asked again."""
_TIMEOUT = 1.0
_PREFIX = "gavan:limits"
_ANYWHERE_LONGEST = 60.0
"""Seconds: whoever guesses from everywhere slows down a person at a new place, and no more than this."""

T = TypeVar("T")
Name = Literal[
    "sign_in",
    "second_factor",
    "proof",
    "passkey",
    "registration",
    "message",
    "link",
    "invitation",
    "client",
    "hook",
    "source_check",
    "archive",
    "coupon",
    "domain_check",
]


@dataclass(frozen=True, slots=True)
class Limit:
    """All that is set applies; what a call does not name is not counted."""

    by_address: RateLimitItem | None = None
    by_account: RateLimitItem | None = None
    here: Delays | None = None
    """Between guesses at one account from one network, as `anywhere` from all that are not known."""
    anywhere: Delays | None = None
    count_first: bool = True


def declared(settings: Settings) -> dict[Name, Limit]:
    attempts = parse(settings.login_rate_per_address)
    here = Delays(settings.guess_free_tries, settings.guess_longest_delay_seconds)
    anywhere = Delays(settings.guess_free_tries_anywhere, settings.guess_longest_delay_seconds)
    gentle = Delays(anywhere.free, min(_ANYWHERE_LONGEST, anywhere.longest))
    return {
        # A password, at sign-in.
        "sign_in": Limit(by_address=attempts, here=here, anywhere=gentle),
        # Six digits, from whoever knows the password: these are what delays have to hold.
        "second_factor": Limit(by_address=attempts, here=here, anywhere=anywhere),
        # Any secret that somebody who is signed in shows again.
        "proof": Limit(by_address=attempts, here=here, anywhere=anywhere),
        # Nobody guesses those, but each answer costs work.
        "passkey": Limit(by_address=attempts),
        "registration": Limit(by_address=parse(settings.registration_rate_per_address)),
        # A letter or text message with a code; the account is the mailbox or telephone it is sent to.
        "message": Limit(
            by_address=parse(settings.code_rate_per_address),
            by_account=parse(settings.code_rate_per_subject),
        ),
        # A code or link that is shown; each counts its own tries too.
        "link": Limit(by_address=attempts),
        # A letter that somebody has sent to an address of their choice.
        "invitation": Limit(by_account=parse(settings.invitation_rate_per_user)),
        # An application's secret, which has 256 bits; it may be shown many times a second.
        "client": Limit(here=here, anywhere=gentle, count_first=False),
        # Calls of forges and deploy hooks, which nobody guesses either. The account is the service, counted
        # once the caller has shown that it is a hook of it.
        "hook": Limit(
            by_address=parse(settings.hook_rate_per_address), by_account=parse(settings.hook_rate_per_service)
        ),
        # A repository of somebody's choice, asked whether it can be read.
        "source_check": Limit(by_account=parse(settings.source_check_rate_per_user)),
        "archive": Limit(by_account=parse(settings.archive_rate_per_user)),
        # A coupon's code, which is short enough to be guessed at.
        "coupon": Limit(by_account=parse(settings.coupon_rate_per_user)),
        "domain_check": Limit(by_account=parse(settings.domain_check_rate_per_user)),
    }


class AttemptLimits:
    def __init__(self, settings: Settings) -> None:
        self._limits = declared(settings)
        self._pool = ConnectionPool.from_url(
            settings.redis_url.get_secret_value(),
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        redis = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=_PREFIX,
            connection_pool=self._pool,  # type: ignore[arg-type]
        )
        self._shared = _Counters(MovingWindowRateLimiter(redis), SharedGuesses(self._pool, _PREFIX))
        self._own = _Counters(MovingWindowRateLimiter(MemoryStorage()), OwnGuesses())
        self._away_until = float("-inf")

    async def check(
        self, name: Name, *, account: str | None = None, address: str | None = None, device: str | None = None
    ) -> None:
        """Call it before looking at the secret. Raises `TooManyRequests`.

        `account` is whom the secret belongs to: a user, an address of a mailbox, a client. Something
        that a refused address sends is not counted against the account. `device` is what a browser
        says to be known by.
        """
        limit = self._limits[name]
        if limit.by_address is not None and address is not None:
            await self._hit(limit.by_address, f"{name}-address", network_of(address))
        if limit.by_account is not None and account is not None:
            await self._hit(limit.by_account, f"{name}-account", _hidden(account))
        if (subject := _subject(name, limit, account, address)) is not None:
            browser = _browser(subject, device)

            async def ask(counters: _Counters) -> float:
                guesses = counters.guesses
                if browser is not None and await guesses.knows(browser):
                    return await guesses.take(browser)
                return await (guesses.take(subject) if limit.count_first else guesses.look(subject))

            _refuse(await self._reach(ask))

    async def allows(
        self, name: Name, *, account: str | None = None, address: str | None = None, device: str | None = None
    ) -> bool:
        """`check` where a refusal would tell something: it is counted, and nobody hears of it."""
        try:
            await self.check(name, account=account, address=address, device=device)
        except TooManyRequests:
            return False
        return True

    async def failed(self, name: Name, *, account: str, address: str) -> None:
        """The secret was wrong. Needed only where `check` does not count; harmless elsewhere."""
        limit = self._limits[name]
        subject = _subject(name, limit, account, address)
        if subject is not None and not limit.count_first:
            await self._reach(lambda counters: counters.guesses.add(subject))

    async def succeeded(self, name: Name, *, account: str, address: str, device: str | None = None) -> None:
        """The secret was right: the account counts from zero here, and network and browser are known ones."""
        subject = _subject(name, self._limits[name], account, address)
        if subject is None:
            return
        browser = _browser(subject, device)

        async def tell(counters: _Counters) -> None:
            await counters.guesses.forgive(subject)
            if browser is not None:
                await counters.guesses.forgive(browser)

        await self._reach(tell)

    async def close(self) -> None:
        await self._pool.aclose()

    async def _hit(self, rate: RateLimitItem, *names: str) -> None:
        async def ask(counters: _Counters) -> float:
            if await counters.rates.hit(rate, *names):
                return 0.0
            window = await counters.rates.get_window_stats(rate, *names)
            return max(1.0, window.reset_time - time.time())

        _refuse(await self._reach(ask))

    async def _reach(self, ask: Callable[[_Counters], Awaitable[T]]) -> T:
        if time.monotonic() < self._away_until:
            return await ask(self._own)
        try:
            return await ask(self._shared)
        except (RedisError, OSError) as error:
            logger.warning("limits are kept in memory, Redis is away: {}", type(error).__name__)
            self._away_until = time.monotonic() + AWAY_PAUSE
            return await ask(self._own)


@dataclass(frozen=True, slots=True)
class _Counters:
    rates: MovingWindowRateLimiter
    guesses: Guesses


def _subject(name: Name, limit: Limit, account: str | None, address: str | None) -> Subject | None:
    if limit.here is None or limit.anywhere is None or account is None or address is None:
        return None
    return Subject(f"{name}:{_hidden(account)}", network_of(address), limit.here, limit.anywhere)


def _browser(subject: Subject, device: str | None) -> Subject | None:
    return replace(subject, network=f"browser {_hidden(device)}") if device is not None else None


def _refuse(wait: float) -> None:
    if wait > 0:
        seconds = math.ceil(wait)
        raise TooManyRequests(
            f"Too many attempts. Try again in {seconds} seconds.", headers={"Retry-After": str(seconds)}
        )


def _hidden(account: str) -> str:
    return hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def network_of(address: str) -> str:
    """One subscriber: an IPv4 address, or the /64 that an IPv6 subscriber usually holds."""
    parsed = addresses.parse(address)
    if parsed is None:
        return "unknown"
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)
