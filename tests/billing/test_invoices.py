"""Invoices: what the ledger charged, once, in the month that it belongs to, to the minor unit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from backend.billing.invoices.models import InvoiceCharge
from backend.billing.invoices.months import Month
from backend.billing.ledger.about import About
from backend.billing.ledger.models import LedgerAccount, LedgerEntry, LedgerTransaction
from backend.config import Settings
from backend.database import Database
from tests.billing.invoicing import OCTOBER, Bookkeeper
from tests.billing.purse import Purse
from tests.support.people import Person, UserFactory

NOVEMBER = Month(2026, 11)


@pytest.fixture
def books(database: Database, settings: Settings, ada: Person) -> Bookkeeper:
    return Bookkeeper(database, settings, ada.project_id)


async def test_a_month_of_one_service_is_one_line(books: Bookkeeper) -> None:
    for day in range(1, 32):
        await books.charge(date(2026, 10, day), 32, 6)
    invoice = await books.issued()
    assert (invoice.net, invoice.tax, invoice.gross) == (992, 186, 1178)
    assert (invoice.reference, invoice.currency, invoice.kind) == (
        f"INV-{invoice.issued_at.year}-000001",
        "EUR",
        "invoice",
    )
    (line,) = await books.lines(invoice)
    assert (line.net, line.tax, line.gross, line.tax_rate, line.tax_country) == (
        992,
        186,
        1178,
        190_000,
        "DE",
    )
    assert line.parameters["seconds"] == 31 * 86_400
    assert line.parameters["service"] == "hello"
    assert line.period_start == datetime(2026, 10, 1, tzinfo=UTC)
    assert line.period_end == datetime(2026, 11, 1, tzinfo=UTC)
    async with books.database.transaction() as session:
        taken = await session.scalar(select(func.count()).where(InvoiceCharge.line_id == line.id))
    assert taken == 31


async def test_lines_differ_by_service_price_and_tax(books: Bookkeeper) -> None:
    await books.charge(date(2026, 10, 1), 100, 19)
    await books.charge(date(2026, 10, 2), 100, 19, service="other")
    await books.charge(date(2026, 10, 3), 200, 38, month_minor=2_000)
    await books.charge(date(2026, 10, 4), 100, 20, tax_rate=200_000, tax_country="FR", tax_code="destination")
    await books.charge(date(2026, 10, 5), 500, 95, code="setup")
    invoice = await books.issued()
    lines = await books.lines(invoice)
    assert len(lines) == invoice.line_count == 5
    assert [line.parameters["service"] for line in lines] == ["hello"] * 4 + ["other"]
    assert sum(line.gross for line in lines) == invoice.gross == 1191


async def test_nothing_twice_and_late_charges_on_the_next(books: Bookkeeper) -> None:
    await books.charge(date(2026, 10, 5), 100)
    first = await books.issued()
    assert await books.issue() is None
    await books.charge(date(2026, 10, 6), 40)
    # October has its invoice.
    assert await books.issue() is None
    await books.charge(date(2026, 11, 1), 7)
    second = await books.issued(NOVEMBER)
    assert (first.gross, second.gross) == (100, 47)
    late, line = await books.lines(second)
    assert (late.gross, late.period_start) == (40, datetime(2026, 10, 6, tzinfo=UTC))
    assert (line.gross, line.period_start) == (7, datetime(2026, 11, 1, tzinfo=UTC))
    assert await books.issue(NOVEMBER) is None


async def test_usage_that_turned_out_less_is_a_line_below_zero(books: Bookkeeper) -> None:
    await books.charge(date(2026, 10, 5), 100)
    await books.issued()
    await books.charge(date(2026, 10, 5), -30)
    # Nothing to invoice: it waits for what is above zero.
    assert await books.issue(NOVEMBER) is None
    await books.charge(date(2026, 12, 1), 50, service="other")
    december = await books.issued(Month(2026, 12))
    assert december.gross == 20
    assert [line.gross for line in await books.lines(december)] == [-30, 50]


async def test_currencies_and_projects_apart(books: Bookkeeper, user_factory: UserFactory) -> None:
    bob = await user_factory()
    await books.charge(date(2026, 10, 1), 100)
    await books.charge(date(2026, 10, 1), 5_000, currency="JPY")
    await books.charge(date(2026, 10, 1), 300, project_id=bob.project_id)
    await books.run(datetime(2026, 11, 1, 4, tzinfo=UTC))
    found = {(one.project_id, one.currency): one.gross for one in await books.invoices()}
    own = books.project_id
    assert found == {(own, "EUR"): 100, (own, "JPY"): 5_000, (bob.project_id, "EUR"): 300}


async def test_invoices_equal_the_ledger(books: Bookkeeper, purse: Purse) -> None:
    for day in range(1, 31):
        await books.charge(date(2026, 9, day), 7, 1)
        await books.charge(date(2026, 10, day), 11, 2, service=f"s{day % 3}")
    await purse.top_up(100_000)
    await purse.hold(500)
    await books.run(datetime(2026, 11, 1, 4, tzinfo=UTC))
    invoices = await books.invoices()
    assert [(one.period_start, one.gross) for one in invoices] == [
        (date(2026, 9, 1), 240),
        (date(2026, 10, 1), 390),
    ]
    assert sum(one.net for one in invoices) == await purse.operator("revenue")
    assert sum(one.tax for one in invoices) == await purse.operator("tax")
    # Line by line too.
    async with books.database.transaction() as session:
        total = select(LedgerAccount.kind, func.sum(LedgerEntry.amount)).join(
            LedgerAccount, LedgerAccount.id == LedgerEntry.account_id
        )
        taken = total.join(InvoiceCharge, InvoiceCharge.transaction_id == LedgerEntry.transaction_id)
        kinds = taken.where(LedgerAccount.kind.in_(("revenue", "tax"))).group_by(LedgerAccount.kind)
        assert {row[0]: row[1] for row in await session.execute(kinds)} == {"revenue": 540, "tax": 90}
        left = select(func.count()).where(
            LedgerTransaction.kind == "charge",
            LedgerTransaction.id.not_in(select(InvoiceCharge.transaction_id)),
        )
        assert await session.scalar(left) == 0


@pytest.mark.parametrize(
    ("zone", "moment", "inside"),
    [
        # The last second of October in Berlin (winter time began on the 25th), and the first of November.
        ("Europe/Berlin", datetime(2026, 10, 31, 22, 59, 59, tzinfo=UTC), True),
        ("Europe/Berlin", datetime(2026, 10, 31, 23, 0, 0, tzinfo=UTC), False),
        ("Pacific/Auckland", datetime(2026, 10, 31, 10, 59, 59, tzinfo=UTC), True),
        ("Pacific/Auckland", datetime(2026, 10, 31, 11, 0, 0, tzinfo=UTC), False),
        ("America/Los_Angeles", datetime(2026, 11, 1, 6, 59, 59, tzinfo=UTC), True),
        ("America/Los_Angeles", datetime(2026, 11, 1, 7, 0, 0, tzinfo=UTC), False),
    ],
)
async def test_a_month_ends_by_the_operators_clock(
    settings_of: Callable[..., Settings], purse: Purse, zone: str, moment: datetime, inside: bool
) -> None:
    settings = settings_of(billing_time_zone=zone)
    await purse.charge(100, about=About("usage", "usage", {}, occurred_at=moment))
    books = Bookkeeper(purse.database, settings, purse.project_id)
    assert (await books.issue() is not None) is inside


def test_months() -> None:
    assert str(Month(2028, 2)) == "2028-02"
    assert Month(2028, 2).following == Month(2028, 3)
    assert Month(2028, 12).following == Month(2029, 1)
    assert Month(2028, 1).preceding == Month(2027, 12)
    for zone in map(ZoneInfo, ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu")):
        for month in (Month(2028, 2), Month(2026, 3), Month(2026, 10)):
            assert month.ends_at(zone) == month.following.begins_at(zone)
            assert Month.of(month.begins_at(zone), zone) == month
            assert Month.of(month.ends_at(zone) - timedelta(microseconds=1), zone) == month
    leap = Month(2028, 2)
    assert leap.ends_at(ZoneInfo("UTC")) - leap.begins_at(ZoneInfo("UTC")) == timedelta(days=29)


async def test_a_leap_day_is_invoiced(books: Bookkeeper) -> None:
    await books.charge(date(2028, 2, 29), 10)
    invoice = await books.issued(Month(2028, 2))
    assert (invoice.period_start, invoice.period_end) == (date(2028, 2, 1), date(2028, 3, 1))
    (line,) = await books.lines(invoice)
    assert (line.period_start, line.period_end) == (
        datetime(2028, 2, 29, tzinfo=UTC),
        datetime(2028, 3, 1, tzinfo=UTC),
    )


async def test_the_buyer_is_whoever_they_were_then(books: Bookkeeper, ada: Person) -> None:
    await books.execute(
        "INSERT INTO billing_profiles (project_id, currency, name, address_lines, country, vat_id,"
        " vat_id_checked, tax_exempt, invoice_locale) VALUES"
        " (:id, 'EUR', 'Ada GmbH', '{Kai 1,20457 Hamburg}', 'DE', 'DE136695976', true, false, 'ru')",
        id=ada.project_id,
    )
    await books.charge(date(2026, 10, 5), 100)
    invoice = await books.issued()
    await books.execute("UPDATE billing_profiles SET name = 'Other'")
    (kept,) = await books.invoices()
    wanted: dict[str, Any] = {"name": "Ada GmbH", "address": ["Kai 1", "20457 Hamburg"], "country": "DE"}
    assert kept.buyer | wanted == kept.buyer
    assert (kept.locale, kept.buyer_country, kept.id) == ("ru", "DE", invoice.id)


async def test_a_letter_with_the_invoice(books: Bookkeeper, ada: Person) -> None:
    await books.charge(date(2026, 10, 5), 100)
    invoice = await books.issued(OCTOBER)
    found = await books.execute("SELECT template, recipient, user_id FROM letters")
    assert found.all() == [("invoice_issued", ada.email, ada.id)]
    assert invoice.buyer["email"] == ada.email
