"""How often somebody may try: moving windows in Redis, in this process's memory while Redis is away."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time

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

AWAY_PAUSE = 5.0
"""Seconds during which an unreachable Redis is not asked again."""
_TIMEOUT = 1.0


class AttemptLimits:
    """Three limits: sign-in attempts by account and by address, registrations by address."""

    def __init__(self, settings: Settings) -> None:
        self._account = parse(settings.login_rate_per_account)
        self._address = parse(settings.login_rate_per_address)
        self._registration = parse(settings.registration_rate_per_address)
        self._pool = ConnectionPool.from_url(
            settings.redis_url.get_secret_value(),
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        redis = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="gavan:limits",
            connection_pool=self._pool,  # type: ignore[arg-type]
        )
        self._shared = MovingWindowRateLimiter(redis)
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._away_until = float("-inf")

    async def sign_in(self, account: str, address: str) -> None:
        """Count an attempt. Raises `TooManyRequests`; a refused address uses up no account's attempts."""
        await self._take(self._address, "sign-in-address", _network(address))
        await self._take(self._account, "sign-in-account", _hidden(account))

    async def signed_in(self, account: str) -> None:
        """The account's attempts count from zero again; the address's do not."""
        await self._clear(self._account, "sign-in-account", _hidden(account))

    async def registration(self, address: str) -> None:
        """Count an attempt. Raises `TooManyRequests`."""
        await self._take(self._registration, "registration", _network(address))

    async def close(self) -> None:
        await self._pool.aclose()

    async def _take(self, rate: RateLimitItem, *names: str) -> None:
        limiter = self._limiter()
        try:
            allowed = await limiter.hit(rate, *names)
            reset = 0.0 if allowed else (await limiter.get_window_stats(rate, *names)).reset_time
        except (RedisError, OSError) as error:
            limiter = self._fall_back(error)
            allowed = await limiter.hit(rate, *names)
            reset = 0.0 if allowed else (await limiter.get_window_stats(rate, *names)).reset_time
        if not allowed:
            seconds = max(1, math.ceil(reset - time.time()))
            raise TooManyRequests(
                f"Too many attempts. Try again in {seconds} seconds.",
                headers={"Retry-After": str(seconds)},
            )

    async def _clear(self, rate: RateLimitItem, *names: str) -> None:
        try:
            await self._limiter().clear(rate, *names)
        except (RedisError, OSError) as error:
            await self._fall_back(error).clear(rate, *names)

    def _limiter(self) -> MovingWindowRateLimiter:
        return self._own if time.monotonic() < self._away_until else self._shared

    def _fall_back(self, error: Exception) -> MovingWindowRateLimiter:
        logger.warning("sign-in limits are kept in memory, Redis is away: {}", type(error).__name__)
        self._away_until = time.monotonic() + AWAY_PAUSE
        return self._own


def _hidden(account: str) -> str:
    return hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _network(address: str) -> str:
    """One subscriber: an IPv4 address, or the /64 that an IPv6 subscriber usually holds."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)
