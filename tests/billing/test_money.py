"""Amounts in currencies with 0, 2 and 3 decimals, read, written and rated without a float."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.billing import money
from tests.billing.purse import Purse

MINOR = st.integers(-money.LARGEST, money.LARGEST)
CURRENCY = st.sampled_from(["EUR", "JPY", "KWD", "RUB", "RSD", "ISK"])


@pytest.mark.parametrize(
    ("minor", "currency", "english", "russian"),
    [
        (1230, "EUR", "€12.30", "12,30 €"),
        (-5, "EUR", "-€0.05", "-0,05 €"),
        (1234, "JPY", "¥1,234", "1 234 ¥"),
        (1234567, "KWD", "KWD1,234.567", "1 234,567 KWD"),
        # Of which CLDR says that nobody counts its hundredths.
        (123, "RSD", "RSD1.23", "1,23 RSD"),
    ],
)
def test_as_people_read_it(minor: int, currency: str, english: str, russian: str) -> None:
    assert money.formatted(minor, currency, "en").replace("\xa0", "") == english.replace(" ", "")
    assert money.formatted(minor, currency, "ru").replace("\xa0", " ") == russian


@given(MINOR, CURRENCY)
def test_as_files_have_it(minor: int, currency: str) -> None:
    assert money.parse(money.plain(minor, currency), currency) == minor


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1e3", "NaN", "Infinity", "0.001", "1" * 30, "--1"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        money.parse(text, "EUR")


@given(MINOR, st.integers(0, 10**9), st.integers(1, 10**9))
def test_rates_round_half_away_from_zero(minor: int, numerator: int, denominator: int) -> None:
    exact = Fraction(minor * numerator, denominator)
    rounded = money.apply_rate(minor, numerator, denominator)
    assert abs(rounded - exact) <= Fraction(1, 2)
    assert abs(rounded) >= abs(exact) or abs(rounded - exact) < Fraction(1, 2)
    # A credit note undoes it to the unit.
    assert money.apply_rate(-minor, numerator, denominator) == -rounded


def test_rates_that_cannot_be() -> None:
    for denominator in (0, -1):
        with pytest.raises(ValueError, match="positive"):
            money.apply_rate(1, 1, denominator)


@pytest.mark.parametrize("code", ["EURO", "eur", "", "XYZ"])
def test_what_is_no_currency(code: str) -> None:
    assert not money.is_currency(code)


@pytest.mark.parametrize("currency", ["JPY", "EUR", "KWD"])
async def test_each_currency_has_its_own_accounts(purse: Purse, currency: str) -> None:
    own = Purse(purse.database, purse.project_id, currency)
    await own.top_up(1005)
    await own.charge(5, 1)
    assert await own.three() == (999, 0, 0)
    other = Purse(purse.database, purse.project_id, "USD")
    assert await other.three() == (0, 0, 0)
