"""What stands on the paper: words and figures in the reader's language, for `invoice.typ` to lay out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_interval
from babel.numbers import format_decimal, format_percent

from backend.billing import money
from backend.billing.invoices import words
from backend.billing.invoices.models import Invoice, InvoiceKind, InvoiceLine
from backend.billing.invoices.months import days_of
from backend.billing.invoices.words import word

WHOLE = 1_000_000
_DAY_FIRST = {"en": "en_GB"}
"""English without a country would be American, whose dates half of the world reads the other way round."""


def document(
    invoice: Invoice, lines: Sequence[InvoiceLine], zone: ZoneInfo, corrects: str | None = None
) -> dict[str, Any]:
    """`corrects` is the reference of the invoice that a credit note is about."""
    locale = invoice.locale
    is_credit = invoice.kind == InvoiceKind.CREDIT_NOTE

    def figure(minor: int) -> str:
        decimals = "0" * money.exponent(invoice.currency)
        pattern = "#,##0" + (f".{decimals}" if decimals else "")
        return format_decimal(money.major(minor, invoice.currency), pattern, locale)

    return {
        "language": locale,
        "title": word(invoice.kind, locale),
        "number": invoice.reference,
        "page": word("page", locale),
        "facts": _facts(invoice, zone, corrects),
        "seller": party("seller", invoice.seller, locale),
        "buyer": party("buyer", invoice.buyer, locale),
        "columns": [word(name, locale) for name in ("service", "net", "rate", "tax", "gross")],
        "lines": [
            {
                "what": words.line(line.code, line.parameters, locale),
                "details": _details(line, invoice.currency, locale, zone),
                "rate": _rate(line.tax_code, line.tax_rate, locale),
                **{name: figure(getattr(line, name)) for name in ("net", "tax", "gross")},
            }
            for line in lines
        ],
        "tax_columns": [word(name, locale) for name in ("by_rate", "net", "tax")],
        "taxes": [
            [_rate(code, rate, locale, country), figure(net), figure(tax)]
            for (code, rate, country), (net, tax) in _by_rate(lines).items()
        ],
        "totals": [
            [word("net", locale), figure(invoice.net)],
            [word("tax", locale), figure(invoice.tax)],
        ],
        "total": [
            word("credited" if is_credit else "total", locale),
            money.formatted(invoice.gross, invoice.currency, locale),
        ],
        "notes": _notes(invoice, lines),
    }


def _facts(invoice: Invoice, zone: ZoneInfo, corrects: str | None) -> list[list[str]]:
    locale = invoice.locale
    last_day = invoice.period_end - timedelta(days=1)
    facts = [
        ["issued", day_of(invoice.issued_at.astimezone(zone).date(), locale)],
        ["period", _days(invoice.period_start, last_day, locale)],
        ["currency", invoice.currency],
    ]
    if corrects:
        facts.append(["corrects", corrects])
    return [[word(name, locale), value] for name, value in facts]


def party(role: str, who: dict[str, Any], locale: str) -> dict[str, Any]:
    lines = list(who.get("address") or ())
    if country := who.get("country"):
        lines.append(Locale.parse(locale).territories.get(country, country))
    for name in ("vat_id", "registration"):
        if value := who.get(name):
            lines.append(word(name, locale, value=value))
    if project := who.get("project"):
        lines.append(f"{word('project', locale)}: {project}")
    return {"label": word(role, locale), "name": who["name"], "lines": lines}


def _details(line: InvoiceLine, currency: str, locale: str, zone: ZoneInfo) -> list[str]:
    said = line.parameters
    quantity = said.get("quantity", 1)
    parts = []
    if item := said.get("plan") or said.get("addon"):
        title = said.get("plan_title") or said.get("addon_title") or {}
        parts.append(title.get(locale) or item)
    if unit := said.get("unit"):
        parts.append(words.amount(quantity, unit, locale))
    elif quantity != 1:
        parts.append(f"× {format_decimal(quantity, locale=locale)}")
    if (month := said.get("month_minor")) is not None:
        price = money.formatted(month, currency, locale)
        parts.append(word(words.price_of(said), locale, value=price, unit=words.unit(unit or "", locale)))
    if seconds := said.get("seconds"):
        hours = format_decimal(Decimal(seconds) / 3600, "#,##0.##", locale)
        parts.append(word("hours", locale, value=hours))
    parts.append(_days(*days_of(line.period_start, line.period_end, zone), locale))
    return [" · ".join(parts)]


def _rate(code: str, rate: int, locale: str, country: str | None = None) -> str:
    if not rate:
        return word("no_tax", locale)
    percent = format_percent(Decimal(rate) / WHOLE, locale=locale, decimal_quantization=False)
    return f"{percent} ({country})" if code == "destination" and country else percent


def _by_rate(lines: Sequence[InvoiceLine]) -> dict[tuple[str, int, str | None], tuple[int, int]]:
    sums: dict[tuple[str, int, str | None], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for line in lines:
        key = (line.tax_code, line.tax_rate, line.tax_country)
        net, tax = sums[key]
        sums[key] = net + line.net, tax + line.tax
    return sums


def _notes(invoice: Invoice, lines: Sequence[InvoiceLine]) -> list[str]:
    locale = invoice.locale
    notes = [word("given_back" if invoice.kind == InvoiceKind.CREDIT_NOTE else "paid", locale)]
    if invoice.reason:
        notes.append(word("reason", locale, value=invoice.reason))
    codes = sorted({line.tax_code for line in lines})
    return [word(code, locale) for code in codes if words.has_word(code)] + notes


def day_of(day: date, locale: str) -> str:
    return format_date(day, "long", _DAY_FIRST.get(locale, locale))


def _days(first: date, last: date, locale: str) -> str:
    own = _DAY_FIRST.get(locale, locale)
    return day_of(first, locale) if first == last else format_interval(first, last, "yMMMd", locale=own)
