"""Countries by their ISO 3166 codes, and those that make one territory of value-added tax."""

from __future__ import annotations

from functools import lru_cache

from babel import Locale

EU = frozenset(
    (
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
        *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    )
)


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    codes = {str(code) for code in Locale("en").territories}
    # The others of CLDR are regions, or stand for no country.
    return frozenset(code for code in codes - _NO_COUNTRIES if len(code) == 2 and code.isalpha())


_NO_COUNTRIES = frozenset({"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ", "XI"})


def is_country(code: str) -> bool:
    return code in _known()
