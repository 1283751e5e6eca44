"""Which amounts a gateway takes, and how it writes them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from backend.billing.money import exponent, plain

# https://docs.stripe.com/currencies#special-cases: written with decimals that these do not have.
_STRIPE_HUNDREDTHS = frozenset({"ISK", "UGX"})
_STRIPE_NOT = frozenset({"IQD", "LYD", "MGA", "UYI"})
YOOKASSA = frozenset({"RUB"})


def stripe_takes(currency: str) -> bool:
    return currency not in _STRIPE_NOT


def step(gateway: str, currency: str) -> int:
    """Amounts are multiples of it: Stripe takes no thousandths, though it writes them."""
    return 10 if gateway == "stripe" and exponent(currency) == 3 else 1


def takes(gateway: str, currency: str) -> bool:
    if gateway == "stripe":
        return stripe_takes(currency)
    return currency in YOOKASSA if gateway == "yookassa" else True


def to_stripe(amount: int, currency: str) -> int:
    return amount * 100 if currency in _STRIPE_HUNDREDTHS else amount


def from_stripe(amount: int, currency: str) -> int:
    """Raises ValueError for a fraction of what the currency has."""
    if currency not in _STRIPE_HUNDREDTHS:
        return amount
    whole, rest = divmod(amount, 100)
    if rest:
        raise ValueError(f"not an amount of {currency}")
    return whole


def to_yookassa(amount: int, currency: str) -> dict[str, str]:
    return {"value": plain(amount, currency), "currency": currency}


def from_yookassa(amount: dict[str, str]) -> tuple[int, str]:
    """Raises ValueError."""
    currency = str(amount["currency"])
    try:
        value = Decimal(str(amount["value"])).scaleb(exponent(currency))
    except InvalidOperation:
        raise ValueError("not an amount") from None
    if not value.is_finite() or value != value.to_integral_value():
        raise ValueError(f"not an amount of {currency}")
    return int(value), currency
