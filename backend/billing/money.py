"""Amounts of money: whole minor units and an ISO 4217 code, never floats.

A currency's exponent is that of ISO 4217, which payment gateways and browsers go by. CLDR, and so babel,
knows how many digits people use in shops, which for some currencies are fewer.
"""

from __future__ import annotations

import copy
import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import cast

from babel import Locale
from babel.numbers import NumberFormatError, NumberPattern, list_currencies, parse_decimal

LARGEST = 10**15
"""No amount is beyond it: it is exact in a browser's numbers and far from the database's bounds."""

_TYPED = re.compile(r"[\d\s.,'’+-]+")
_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
}
_EXPONENTS = {code: decimals for decimals, codes in _DECIMALS.items() for code in codes.split()}


def is_currency(code: str) -> bool:
    return code in list_currencies()


def exponent(currency: str) -> int:
    """How many decimals the currency's major unit has: 2 for EUR, 0 for JPY, 3 for KWD."""
    return _EXPONENTS.get(currency, 2)


def apply_rate(minor: int, numerator: int, denominator: int) -> int:
    """`minor` × numerator / denominator, half a minor unit rounded away from zero.

    So a credit note undoes to the unit what an invoice did.
    """
    if denominator <= 0:
        raise ValueError("a rate's denominator is positive")
    product = minor * numerator
    rounded = (2 * abs(product) + denominator) // (2 * denominator)
    return rounded if product >= 0 else -rounded


def major(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-exponent(currency))


def plain(minor: int, currency: str) -> str:
    """`12.30`, for files that programs read."""
    return f"{major(minor, currency):f}"


def parse(text: str, currency: str, locale: str = "en") -> int:
    """Minor units of what a person or a file writes. Raises ValueError for what is no amount."""
    try:
        # Which would also read "1e3", and "NaN".
        if not _TYPED.fullmatch(text):
            raise NumberFormatError("other signs than those of a number")
        value = parse_decimal(text.strip(), locale=locale, strict=True).scaleb(exponent(currency))
    except (InvalidOperation, NumberFormatError):
        raise ValueError("not an amount") from None
    if value != value.to_integral_value() or abs(value) > LARGEST:
        raise ValueError(f"not an amount of {currency}")
    return int(value)


def formatted(minor: int, currency: str, locale: str) -> str:
    """As people read it: `€12.30`, `12,30 €`."""
    pattern = _pattern(locale, exponent(currency))
    return pattern.apply(major(minor, currency), locale, currency=currency, currency_digits=False)


@lru_cache(maxsize=64)
def _pattern(locale: str, decimals: int) -> NumberPattern:
    pattern = copy.copy(cast(NumberPattern, Locale.parse(locale).currency_formats["standard"]))
    pattern.frac_prec = (decimals, decimals)
    return pattern
