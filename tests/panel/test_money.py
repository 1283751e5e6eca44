"""The panel counts a currency's decimals as the server does."""

from __future__ import annotations

import re

from babel.numbers import list_currencies

from backend.billing.money import exponent
from tests.panel.sources import served, text


def test_decimals_of_currencies() -> None:
    said = dict(
        re.findall(r"^const (\w+) = \"([A-Z ]+)\"", text(served("/js/shared/money.js")), re.MULTILINE)
    )
    assert set(said["WITHOUT_MINOR"].split()) == {one for one in list_currencies() if exponent(one) == 0}
    assert set(said["THOUSANDTHS"].split()) == {one for one in list_currencies() if exponent(one) == 3}
