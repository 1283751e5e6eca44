"""What comes with the installation: prices of the catalogue file, and the tax rates of the European Union."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.money import is_currency
from backend.billing.prices import editing
from backend.billing.prices.dao import PriceDAO, TaxRateDAO
from backend.database import now
from backend.utils.ids import new_id

TAX_RATES = Path(__file__).with_name("tax_rates.toml")


async def load_prices(
    session: AsyncSession, items: Sequence[Mapping[str, Any]], *, addons: bool = False
) -> None:
    """Of plans, or of add-ons: a version for each price of the file that is not what the file said last.

    So prices that an administrator set stay, until the file itself says something new. Raises ValueError
    for what is no price.
    """
    dao = PriceDAO(session)
    for item in items:
        for currency, month in item["prices"].items():
            setup = item.get("setup", {}).get(currency, 0)
            _check(item["id"], currency, month, setup)
            said = await dao.last(item["id"], currency, source="catalogue", addon=addons)
            if said is not None and (said.month_minor, said.setup_minor) == (month, setup):
                continue
            wanted = editing.Version(item["id"], currency, month, setup, now(), addon=addons)
            await editing.add_version(session, wanted, source="catalogue")


def _check(item: str, currency: str, month: object, setup: object) -> None:
    whole = all(type(amount) is int and amount >= 0 for amount in (month, setup))
    if not is_currency(currency) or not whole:
        raise ValueError(f"the catalogue's price of {item} in {currency} is none")


async def load_tax_rates(session: AsyncSession, zone: ZoneInfo) -> None:
    """Those that are not there yet; days begin where bills do."""
    content = tomllib.loads(TAX_RATES.read_text())
    rows = [
        {
            "id": new_id(),
            "country": country,
            "rate_millionths": int(Decimal(version["rate"]) * 10_000),
            "valid_from": datetime.combine(version["from"], time(), zone),
            "source": content["source"],
            "created_at": now(),
        }
        for country, versions in content["rates"].items()
        for version in versions
    ]
    await TaxRateDAO(session).add_missing(rows)
