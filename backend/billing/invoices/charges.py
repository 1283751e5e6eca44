"""From the ledger's charges to the lines of an invoice.

A service is charged once a day, so a month has thirty postings of the same thing: those that are of one
service and month, for one purpose, at one price and taxed alike become one line, which refers to all of them.
Amounts are only added up, never computed again: an invoice is to the minor unit what the ledger says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from backend.billing.invoices.months import Month
from backend.billing.metering.models import TRAFFIC

Title = Mapping[str, str]
"""By language."""

_IDENTIFYING = ("plan", "addon", "meter", "month_minor", "quantity")
"""Of a charge's parameters, what makes it another line; of what is counted, the quantities are summed."""
_UNSAID = {"quantity": 1}
"""What charges meant that were made before there were quantities."""


@dataclass(slots=True)
class Line:
    service_id: UUID | None
    code: str
    parameters: dict[str, Any]
    tax_code: str
    tax_rate: int
    tax_country: str | None
    period_start: datetime
    period_end: datetime
    net: int = 0
    tax: int = 0
    transactions: list[UUID] = field(default_factory=list)


def lines_of(charges: Sequence[Row[Any]], titles: Mapping[str, Title], zone: ZoneInfo) -> list[Line]:
    """In the order of services' names, and of time. `titles` are those of `InvoiceDAO.titles`."""
    found: dict[tuple[Any, ...], Line] = {}
    for charge in charges:
        said: dict[str, Any] = charge.parameters
        begin, end = _period_of(charge, zone)
        tax = said.get("tax_code", "none"), said.get("tax_rate", 0), said.get("tax_country")
        # What came too late for its own month is not mixed with the present one.
        month = Month.of(begin, zone)
        told = (said.get(name, _UNSAID.get(name)) for name in _identifying(said))
        key = (charge.service_id, charge.code, month, *told, *tax)
        line = found.get(key)
        if line is None:
            parameters = _parameters(charge, titles)
            line = found[key] = Line(charge.service_id, charge.code, parameters, *tax, begin, end)
        line.period_start, line.period_end = min(line.period_start, begin), max(line.period_end, end)
        line.net += charge.revenue
        line.tax += charge.tax
        line.transactions.append(charge.id)
        if "seconds" in said:
            line.parameters["seconds"] = line.parameters.get("seconds", 0) + said["seconds"]
        if said.get("meter") == TRAFFIC:
            line.parameters["quantity"] = line.parameters.get("quantity", 0) + said["quantity"]
    return sorted(found.values(), key=_order)


def total(lines: Iterable[Line]) -> tuple[int, int]:
    """Net and tax."""
    lines = tuple(lines)
    return sum(line.net for line in lines), sum(line.tax for line in lines)


def _parameters(charge: Row[Any], titles: Mapping[str, Title]) -> dict[str, Any]:
    """What is printed of a line; the name that the service had when it was charged first."""
    said = charge.parameters
    kept = {name: said[name] for name in _identifying(said) if said.get(name) is not None}
    if service := said.get("service") or charge.service_name:
        kept["service"] = service
    if "plan" in kept:
        kept["plan_title"] = dict(titles.get(f"plan:{kept['plan']}", {}))
    if "addon" in kept:
        title = dict(titles.get(f"addon:{kept['addon']}", {}))
        kept["unit"] = title.pop("unit", "")
        kept["addon_title"] = title
    return kept


def _identifying(said: Mapping[str, Any]) -> Sequence[str]:
    return [name for name in _IDENTIFYING if name != "quantity" or said.get("meter") != TRAFFIC]


def _order(line: Line) -> tuple[str, datetime, str]:
    return str(line.parameters.get("service", "\uffff")), line.period_start, line.code


def _period_of(charge: Row[Any], zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The day that was charged; what has none happened at one moment."""
    if day := charge.parameters.get("day"):
        begin = datetime.combine(date.fromisoformat(day), time(), zone)
        # By the wall clock: a day in which clocks change has another length.
        return begin, begin + timedelta(days=1)
    return charge.occurred_at, charge.occurred_at
