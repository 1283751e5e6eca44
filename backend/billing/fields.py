"""What requests about money have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from backend.billing.countries import is_country
from backend.billing.money import is_currency


def _currency(code: str) -> str:
    if not is_currency(code):
        raise ValueError("must be a currency's code of ISO 4217, as EUR")
    return code


def _country(code: str) -> str:
    if not is_country(code):
        raise ValueError("must be a country's code of ISO 3166, as DE")
    return code


CurrencyCode = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_currency), Field(examples=["EUR"])
]
CountryCode = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2}$"), AfterValidator(_country), Field(examples=["DE"])
]
