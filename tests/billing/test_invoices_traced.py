"""From an invoice's line to what the service did: real usage, rated, charged, taxed, invoiced, corrected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from sqlalchemy import text

from backend.billing.invoices.models import Invoice
from backend.billing.metering.models import UsageKind
from backend.config import Settings
from backend.database import Database
from tests.billing.invoicing import Bookkeeper
from tests.billing.meters import MONTH, Fleet
from tests.billing.purse import Purse
from tests.support.people import Person


@pytest.fixture
def settings(settings_of: Callable[..., Settings]) -> Settings:
    return settings_of(credit_limit_minor=0, operator_country="DE")


@pytest.fixture
def books(database: Database, settings: Settings, ada: Person) -> Bookkeeper:
    return Bookkeeper(database, settings, ada.project_id)


async def balanced(books: Bookkeeper, purse: Purse) -> None:
    """Invoices less credit notes, and what waits for one, are the ledger's revenue and tax."""
    issued = await books.invoices()
    sign = {"invoice": 1, "credit_note": -1}
    async with books.database.transaction() as session:
        left = text(
            "SELECT coalesce(sum(e.amount) FILTER (WHERE a.kind = 'revenue'), 0) AS net,"
            " coalesce(sum(e.amount) FILTER (WHERE a.kind = 'tax'), 0) AS tax"
            " FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id"
            " JOIN ledger_accounts a ON a.id = e.account_id WHERE t.origin <> 'credit_note'"
            " AND NOT EXISTS (SELECT FROM invoice_charges c WHERE c.transaction_id = t.id)"
        )
        waiting = (await session.execute(left)).one()
    for kind, account in (("net", "revenue"), ("tax", "tax")):
        invoiced = sum(sign[one.kind] * getattr(one, kind) for one in issued)
        assert invoiced + getattr(waiting, kind) == await purse.operator(account)


async def trace(books: Bookkeeper, invoice: Invoice) -> list[tuple[date, str]]:
    """The days and kinds of events that the invoice's charges go back to."""
    found = await books.execute(
        "SELECT DISTINCT record.day, event.kind FROM invoice_lines line"
        " JOIN invoice_charges taken ON taken.line_id = line.id"
        " JOIN ledger_transactions posting ON posting.id = taken.transaction_id"
        " JOIN usage_charges charge ON charge.id = posting.source_id"
        " JOIN usage_records record ON record.service_id = charge.service_id AND record.day = charge.day"
        " JOIN usage_events event ON event.id = record.event_id"
        " WHERE line.invoice_id = :id ORDER BY 1, 2",
        id=invoice.id,
    )
    return [tuple(row) for row in found]


async def test_a_line_goes_back_to_what_the_service_did(
    books: Bookkeeper, fleet: Fleet, purse: Purse
) -> None:
    await purse.top_up(10_000)
    ship = await fleet.ship(name="tide-tables")
    await ship.start("2026-03-10")
    await ship.stop("2026-03-13")
    await fleet.bill("2026-04-01 03:00")
    await books.run(datetime(2026, 4, 1, 3, 30, tzinfo=UTC))
    (invoice,) = await books.invoices()
    # Three days of a hundred, and 19 % of them.
    assert (invoice.net, invoice.tax, invoice.gross) == (300, 57, 357)
    (line,) = await books.lines(invoice)
    assert (line.tax_code, line.tax_rate, line.tax_country) == ("domestic", 190_000, "DE")
    assert line.parameters["service"] == "tide-tables"
    assert line.parameters["plan_title"]["en"]
    assert line.parameters["seconds"] == 3 * 86_400
    assert (line.period_start, line.period_end) == (
        datetime(2026, 3, 10, tzinfo=UTC),
        datetime(2026, 3, 13, tzinfo=UTC),
    )
    assert line.service_id == ship.id
    days = [date(2026, 3, day) for day in (10, 11, 12)]
    assert await trace(books, invoice) == [(day, "started") for day in days]
    await balanced(books, purse)


async def test_a_month_waits_until_it_is_rated(books: Bookkeeper, fleet: Fleet) -> None:
    ship = await fleet.ship()
    await ship.start("2026-03-10")
    await fleet.bill("2026-03-30")
    await books.run(datetime(2026, 4, 1, 2, 30, tzinfo=UTC))
    assert await books.invoices() == []
    await fleet.bill("2026-04-01 03:00")
    await books.run(datetime(2026, 4, 1, 3, 30, tzinfo=UTC))
    (invoice,) = await books.invoices()
    assert invoice.net == 2_200


async def test_what_is_heard_late_is_on_the_next_invoice(
    books: Bookkeeper, fleet: Fleet, purse: Purse
) -> None:
    """The panel learns in April that the service had stopped in March, and so does the customer."""
    await purse.top_up(10_000)
    price = await fleet.price(MONTH)
    ship = await fleet.ship(price)
    await ship.start("2026-03-26")
    await fleet.bill("2026-04-01 03:00")
    await books.run(datetime(2026, 4, 1, 3, 30, tzinfo=UTC))
    await ship.late("2026-03-30", UsageKind.STOPPED, None)
    await ship.late("2026-04-05", UsageKind.STARTED, price)
    await fleet.bill("2026-05-01 03:00")
    await books.run(datetime(2026, 5, 1, 3, 30, tzinfo=UTC))
    march, april = await books.invoices()
    assert (march.net, march.tax) == (600, 114)
    below, above = await books.lines(april)
    assert (below.net, below.period_start) == (-200, datetime(2026, 3, 30, tzinfo=UTC))
    assert (above.net, above.period_start) == (2_600, datetime(2026, 4, 5, tzinfo=UTC))
    assert (april.net, april.gross) == (2_400, 2_856)
    await balanced(books, purse)


@pytest.mark.parametrize(
    ("currency", "month_minor", "net", "tax"), [("JPY", 2_800, 300, 57), ("KWD", 28_000, 3_000, 570)]
)
async def test_currencies_of_no_and_of_three_decimals(
    books: Bookkeeper, fleet: Fleet, database: Database, currency: str, month_minor: int, net: int, tax: int
) -> None:
    await books.execute(
        "INSERT INTO billing_profiles (project_id, currency) VALUES (:id, :currency)",
        id=books.project_id,
        currency=currency,
    )
    price: UUID = await fleet.price(month_minor, currency)
    ship = await fleet.ship(price)
    await ship.start("2028-02-27")
    await ship.stop("2028-03-01")
    await fleet.bill("2028-03-01 03:00")
    await books.run(datetime(2028, 3, 1, 3, 30, tzinfo=UTC))
    (invoice,) = await books.invoices()
    # The 27th, the 28th and the leap day.
    assert (invoice.currency, invoice.net, invoice.tax) == (currency, net, tax)
    assert (invoice.period_start, invoice.period_end) == (date(2028, 2, 1), date(2028, 3, 1))
    assert await purse_of(database, books, currency).operator("revenue") == net


def purse_of(database: Database, books: Bookkeeper, currency: str) -> Purse:
    return Purse(database, books.project_id, currency)
