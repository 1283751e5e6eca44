"""Bank statements as CSV: banks agree on nothing, so columns are known by any of their usual names."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from backend.billing import money
from backend.exceptions import invalid_field

MOST_LINES = 5_000
_COLUMNS: dict[str, tuple[str, ...]] = {
    "date": ("date", "booking date", "value date", "buchungstag", "дата", "дата операции"),
    "amount": ("amount", "credit", "betrag", "сумма", "приход"),
    "currency": ("currency", "währung", "waehrung", "валюта"),
    "purpose": (
        *("purpose", "reference", "description", "details", "remittance information"),
        *("verwendungszweck", "назначение", "назначение платежа"),
    ),
    "payer": ("payer", "name", "counterparty", "debtor", "auftraggeber", "плательщик", "контрагент"),
    "id": ("id", "transaction id", "bank reference", "номер", "номер документа"),
}
_NEEDED = ("date", "amount", "purpose")
_DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%d.%m.%y")


@dataclass(frozen=True, slots=True)
class Line:
    booked_on: date
    currency: str
    amount: int
    purpose: str
    payer: str
    bank_ref: str | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    lines: list[Line]
    """Those that bring money."""
    outgoing: int
    """How many take some, or say nothing of any."""


class _Unreadable(ValueError):
    def __init__(self, code: str, message: str, **parameters: str | int) -> None:
        super().__init__(message)
        self.code, self.parameters = code, parameters


def read(text: str, currency: str) -> Statement:
    """`currency` is that of a file which names none. Raises `Invalid`."""
    rows = list(_rows(text.lstrip("\ufeff")))
    if not rows:
        raise _invalid(1, _Unreadable("statement_empty", "There is nothing in it."))
    columns = _columns_of(rows[0])
    if len(rows) > MOST_LINES:
        message = f"It has more than {MOST_LINES} lines."
        raise _invalid(MOST_LINES, _Unreadable("statement_long", message, most=MOST_LINES))
    lines: list[Line] = []
    outgoing = 0
    seen: Counter[bytes] = Counter()
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        cells = {name: row[at].strip() if at < len(row) else "" for name, at in columns.items()}
        try:
            line = _line(cells, currency, seen)
        except _Unreadable as error:
            raise _invalid(number, error) from None
        if line.amount > 0:
            lines.append(line)
        else:
            outgoing += 1
    return Statement(lines, outgoing)


def digest_of(booked_on: date, currency: str, amount: int, purpose: str, number: int = 1) -> bytes:
    """By which a transfer is known, whichever way it comes in: typed, or from a file with any columns.

    `number` counts those that are the same in one file.
    """
    parts = (booked_on, currency, amount, _squeezed(purpose), number)
    return hashlib.sha256("\0".join(map(str, parts)).encode()).digest()


def _squeezed(purpose: str) -> str:
    """Without what people and banks add or drop: spaces, and the case of letters."""
    return "".join(purpose.split()).casefold()


def _rows(text: str) -> Iterator[list[str]]:
    first = text.split("\n", 1)[0]
    delimiter = max(";,\t", key=first.count)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error as error:
        raise _invalid(1, _Unreadable("statement_no_csv", str(error))) from None


def _columns_of(header: list[str]) -> dict[str, int]:
    names = [cell.strip().casefold() for cell in header]
    found: dict[str, int] = {}
    for column, known in _COLUMNS.items():
        at = next((names.index(name) for name in known if name in names), None)
        if at is not None:
            found[column] = at
    if missing := [name for name in _NEEDED if name not in found]:
        columns = ", ".join(missing)
        message = f"No column is called {columns}."
        raise _invalid(1, _Unreadable("statement_columns", message, columns=columns))
    return found


def _line(cells: dict[str, str], currency: str, seen: Counter[bytes]) -> Line:
    currency = cells.get("currency", "").upper() or currency
    if not money.is_currency(currency):
        raise _Unreadable("statement_currency", "There is no such currency.")
    booked_on = _date(cells["date"])
    amount = _amount(cells["amount"], currency)
    purpose, payer = cells["purpose"][:500], cells.get("payer", "")[:200]
    bank_ref = cells.get("id", "")[:120] or None
    same = digest_of(booked_on, currency, amount, purpose)
    # Two that are the same in one file are two; the same file again brings the same two.
    seen[same] += 1
    digest = digest_of(booked_on, currency, amount, purpose, seen[same])
    return Line(booked_on, currency, amount, purpose, payer, bank_ref, digest)


def _date(text: str) -> date:
    for form in _DATES:
        try:
            return datetime.strptime(text[:10], form).date()
        except ValueError:
            continue
    raise _Unreadable("statement_date", "The date is not one.")


def _amount(text: str, currency: str) -> int:
    """`1,234.50`, `1.234,50`, `1 234,5`; `1.234` of a currency with two decimals could be either."""
    bare = re.sub(r"[\s'\u00a0\u202f]", "", text)
    if not re.fullmatch(r"[+-]?[0-9][0-9.,]*", bare, re.ASCII):
        raise _Unreadable("statement_amount", "The amount is not one.")
    digits = money.exponent(currency)
    at = max(bare.rfind("."), bare.rfind(","))
    whole, rest = (bare[:at], bare[at + 1 :]) if at >= 0 else (bare, "")
    if at >= 0 and (bare.count(bare[at]) > 1 or (digits == 0 and len(rest) == 3)):
        whole, rest = bare, ""
    if len(rest) > digits:
        message = f"The amount has too many decimals for {currency}."
        raise _Unreadable("statement_decimals", message, currency=currency)
    plain = re.sub(r"[.,]", "", whole)
    try:
        return money.parse(f"{plain}.{rest}" if rest else plain, currency)
    except ValueError as error:
        raise _Unreadable("statement_amount", str(error)) from None


def _invalid(number: int, why: _Unreadable) -> Exception:
    parameters = {"line": number, **why.parameters}
    return invalid_field(["body", "csv"], f"Line {number}: {why}", why.code, parameters)
