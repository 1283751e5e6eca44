"""Saying that there is not enough money."""

from __future__ import annotations

from backend.billing.ledger.standing import Standing
from backend.billing.money import plain
from backend.exceptions import Conflict


class InsufficientFunds(Conflict):
    def __init__(self, present: Standing, needed: int) -> None:
        currency = present.currency
        needs, has = plain(needed, currency), plain(present.available, currency)
        super().__init__(
            f"This needs {needs} {currency}, and {has} {currency} is available.",
            code="insufficient_funds",
            parameters={"currency": currency, "needed": needed, "available": present.available},
        )
