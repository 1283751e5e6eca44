"""VAT numbers: their form, which is checked here, and whose they are, which only their issuer knows.

Reverse charge needs more than the form: somebody who made sure that it is theirs, and says so in the
customer's billing details.
"""

from __future__ import annotations

from stdnum import exceptions, get_cc_module

from backend.billing.countries import EU, is_country

_PREFIXES = {"GR": "EL"}


def country_of(vat_id: str) -> str:
    """Of a number in its full form; Greek ones begin with EL."""
    prefix = vat_id[:2]
    return next((country for country, written in _PREFIXES.items() if written == prefix), prefix)


def normalised(vat_id: str, country: str) -> str:
    """In its full form, with the country before it. Raises ValueError for what cannot be one of the country.

    Countries whose numbers nobody described are taken at their word, as far as it is one.
    """
    if not vat_id.isascii() or not is_country(country):
        raise ValueError("not a VAT number")
    number = "".join(sign for sign in vat_id.upper() if sign.isalnum())
    # Elsewhere the country is no part of the number.
    prefix = _PREFIXES.get(country, country) if country in EU else ""
    bare = number.removeprefix(prefix)
    module = get_cc_module(country, "vat")
    if module is None:
        if not 4 <= len(number) <= 18:
            raise ValueError("not a VAT number")
        return number
    try:
        compact = str(module.validate(bare))
    except exceptions.ValidationError as error:
        raise ValueError("not a VAT number") from error
    return f"{prefix}{compact.removeprefix(prefix)}"
