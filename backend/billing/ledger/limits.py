"""Up to how much one administrator decides alone; the settings say it in the operator's currency.

Of another currency it is as many whole units: nobody here knows a rate of exchange.
"""

from __future__ import annotations

from backend.billing import money
from backend.config import Settings


def alone(settings: Settings, currency: str) -> int:
    """What is given to a project above it takes a second administrator."""
    return _in(settings, settings.adjustment_limit_minor, currency)


def most_credit(settings: Settings, currency: str) -> int:
    """No project's own credit limit is above it."""
    return _in(settings, settings.credit_limit_most_minor, currency)


def _in(settings: Settings, minor: int, currency: str) -> int:
    decimals = money.exponent(currency) - money.exponent(settings.currency)
    return minor * 10**decimals if decimals >= 0 else minor // 10**-decimals
