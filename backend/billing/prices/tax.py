"""Which tax a project pays, and how an amount splits into net and tax.

Standard rates by country and date. The operator's country decides the rules: at home its own rate; within
the European Union the customer's country's (one-stop shop, unless `TAX_EU_ONE_STOP_SHOP` is off), or none
for a company whose VAT number was made sure of (reverse charge, Directive 2006/112/EC art. 196); elsewhere
none, once an administrator made sure of who and where they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.countries import EU
from backend.billing.ledger.dao import ProfilesDAO
from backend.billing.ledger.models import BillingProfile
from backend.billing.money import apply_rate
from backend.billing.prices.dao import TaxRateDAO
from backend.billing.prices.vatids import country_of
from backend.config import Settings, get_settings
from backend.database import now

WHOLE = 1_000_000
Mode = Literal["exclusive", "inclusive"]
Code = Literal["none", "domestic", "destination", "reverse_charge", "export", "exempt"]


@dataclass(frozen=True, slots=True)
class Treatment:
    """How a project's charges are taxed; `mode` says whether prices include the tax."""

    code: Code
    rate_millionths: int
    mode: Mode
    country: str | None = None
    """Whose rate it is."""
    note: str | None = None
    """A key of the words that an invoice has to say with it."""

    @property
    def reverse_charge(self) -> bool:
        return self.code == "reverse_charge"


NOTES: dict[Code, str] = {
    "reverse_charge": "tax.note.reverse_charge",
    "export": "tax.note.export",
    "exempt": "tax.note.exempt",
}


async def treatment_of(session: AsyncSession, project_id: UUID, at: datetime | None = None) -> Treatment:
    settings = get_settings()
    mode: Mode = "inclusive" if settings.prices_include_tax else "exclusive"
    home = settings.operator_country
    if home is None:
        return Treatment("none", 0, mode)
    profile = await ProfilesDAO(session).of(project_id)
    code, country = _rule(settings, home, profile)
    rate = await TaxRateDAO(session).at(country, at or now()) if country else None
    return Treatment(code, rate.rate_millionths if rate else 0, mode, country, NOTES.get(code))


def _rule(settings: Settings, home: str, profile: BillingProfile | None) -> tuple[Code, str | None]:
    """By which rule, and whose rate; who said nothing of themselves is taken to be at home, and so is whoever
    would pay no tax by a word of their own that nobody made sure of.
    """
    country = (profile and profile.country) or home
    checked = profile is not None and profile.vat_id_checked
    if profile is not None and profile.tax_exempt:
        return "exempt", None
    if country == home:
        return "domestic", home
    if home not in EU or country not in EU:
        return ("export", None) if checked else ("domestic", home)
    known = profile.vat_id if profile is not None and checked else None
    # A number of another country says nothing of who is served there.
    if known is not None and country_of(known) == country:
        return "reverse_charge", None
    return ("destination", country) if settings.tax_eu_one_stop_shop else ("domestic", home)


def split(amount: int, treatment: Treatment) -> tuple[int, int]:
    """Net and tax of an amount as prices say it, half a minor unit rounded up.

    Whoever splits a sum that grows splits the whole of it and takes away what was split before: so rounding
    never adds up.
    """
    rate = treatment.rate_millionths
    if treatment.mode == "inclusive":
        tax = apply_rate(amount, rate, WHOLE + rate)
        return amount - tax, tax
    return amount, apply_rate(amount, rate, WHOLE)


def gross(amount: int, treatment: Treatment) -> int:
    return sum(split(amount, treatment))
