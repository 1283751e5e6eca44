"""Numbers without gaps, whoever issues at once and whatever comes to nothing; and nothing issued changes."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from backend.billing.invoices import crediting, issuing
from backend.billing.invoices.dao import SeriesDAO
from backend.billing.invoices.models import Invoice
from backend.billing.invoices.months import Month
from backend.config import Settings
from backend.database import Database
from backend.exceptions import Invalid
from backend.projects.models import Project
from backend.utils.ids import new_id
from tests.billing.invoicing import OCTOBER, Bookkeeper
from tests.support.people import Person

AT_ONCE = 50


@pytest.fixture
def books(database: Database, settings: Settings, ada: Person) -> Bookkeeper:
    return Bookkeeper(database, settings, ada.project_id)


@pytest.fixture
async def projects(books: Bookkeeper) -> list[UUID]:
    """Each with a charge in October."""
    made = [new_id() for _ in range(AT_ONCE)]
    async with books.database.transaction() as session:
        session.add_all(Project(id=one, name="Quay") for one in made)
    for one in made:
        await books.charge(date(2026, 10, 5), 100, project_id=one)
    return made


class Stumbled(Exception):
    pass


async def numbers(books: Bookkeeper) -> list[int]:
    return [one.number for one in await books.invoices()]


async def test_fifty_at_once(books: Bookkeeper, projects: list[UUID]) -> None:
    await asyncio.gather(*(books.issue(project_id=one) for one in projects))
    issued = await books.invoices()
    assert [one.number for one in issued] == list(range(1, AT_ONCE + 1))
    moments = [one.issued_at for one in issued]
    assert moments == sorted(moments)


async def test_what_comes_to_nothing_takes_no_number(books: Bookkeeper, projects: list[UUID]) -> None:
    """Every third fails after it has its number, before its commit."""

    async def issue(at: int, project_id: UUID) -> None:
        async with books.database.transaction() as session:
            await issuing.issue_month(session, books.settings, project_id, "EUR", OCTOBER)
            if at % 3 == 0:
                raise Stumbled

    results = await asyncio.gather(
        *(issue(at, one) for at, one in enumerate(projects)), return_exceptions=True
    )
    failed = sum(isinstance(result, Stumbled) for result in results)
    assert failed == 17
    assert await numbers(books) == list(range(1, AT_ONCE - failed + 1))
    # They get the next ones.
    await asyncio.gather(*(books.issue(project_id=one) for one in projects))
    assert await numbers(books) == list(range(1, AT_ONCE + 1))


async def test_the_same_month_at_once_is_one_invoice(books: Bookkeeper) -> None:
    await books.charge(date(2026, 10, 5), 100)
    found = await asyncio.gather(*(books.issue() for _ in range(20)))
    assert sum(one is not None for one in found) == 1
    assert await numbers(books) == [1]


async def test_credit_notes_at_once_never_exceed_the_invoice(books: Bookkeeper) -> None:
    await books.charge(date(2026, 10, 5), 1_000)
    invoice = await books.issued()
    (line,) = await books.lines(invoice)

    async def credit() -> None:
        async with books.database.transaction() as session:
            await crediting.credit(session, books.settings, invoice.id, "too much", {line.id: 300})

    results = await asyncio.gather(*(credit() for _ in range(10)), return_exceptions=True)
    assert sum(result is None for result in results) == 3
    assert all(result is None or isinstance(result, Invalid) for result in results)
    notes = [one for one in await books.invoices() if one.kind == "credit_note"]
    assert [(one.number, one.gross) for one in notes] == [(1, 300), (2, 300), (3, 300)]
    assert {one.series[:3] for one in notes} == {"CN-"}


async def test_a_clock_that_went_back_gives_no_earlier_moment(
    books: Bookkeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with books.database.transaction() as session:
        dao = SeriesDAO(session)
        noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
        assert (await dao.take("T", noon)).last_issued_at == noon
        assert (await dao.take("T", noon - timedelta(hours=1))).last_issued_at == noon
        await session.rollback()


@pytest.mark.parametrize(
    ("moment", "series"),
    [
        (datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC), "INV-2026"),
        (datetime(2026, 12, 31, 23, 0, 0, tzinfo=UTC), "INV-2027"),
    ],
)
async def test_a_year_begins_by_the_operators_clock(
    books: Bookkeeper, monkeypatch: pytest.MonkeyPatch, moment: datetime, series: str
) -> None:
    books.settings = books.settings.model_copy(update={"billing_time_zone": "Europe/Berlin"})
    monkeypatch.setattr(issuing, "now", lambda: moment)
    await books.charge(date(2026, 10, 5), 100)
    invoice = await books.issued()
    assert (invoice.series, invoice.number) == (series, 1)


CHANGES = [
    "UPDATE invoices SET gross = gross + 1, net = net + 1",
    "UPDATE invoices SET buyer = '{}'",
    "DELETE FROM invoices",
    "TRUNCATE invoices CASCADE",
    "UPDATE invoice_lines SET code = 'x'",
    "DELETE FROM invoice_lines",
    "UPDATE invoice_charges SET line_id = line_id",
    "DELETE FROM invoice_charges",
    "TRUNCATE invoice_charges",
    "DELETE FROM invoice_series",
    "UPDATE invoice_series SET last_number = 7",
    "UPDATE invoice_series SET last_number = last_number - 1",
    "UPDATE invoice_series SET last_number = last_number + 1",
    "UPDATE invoice_series SET code = 'X-1'",
    "INSERT INTO invoice_series VALUES ('X-1', 5, now())",
    "INSERT INTO invoice_series VALUES ('X-1', 1, now())",
    # A line more, and one that takes away what it brings.
    "INSERT INTO invoice_lines SELECT (jsonb_populate_record(line, jsonb_build_object("
    "'id', gen_random_uuid(), 'position', 9, 'net', 1, 'tax', 0, 'gross', 1))).* FROM invoice_lines AS line",
    "INSERT INTO invoice_lines SELECT (jsonb_populate_record(line, jsonb_build_object("
    "'id', gen_random_uuid(), 'position', 9, 'net', 0, 'tax', 0, 'gross', 0))).* FROM invoice_lines AS line",
    # An invoice without lines, and one whose number leaves a gap.
    "INSERT INTO invoices SELECT (jsonb_populate_record(one, jsonb_build_object("
    "'id', gen_random_uuid(), 'number', 2, 'reference', 'X', 'period_start', '2026-09-01'))).*"
    " FROM invoices AS one",
]


AT_ONCE_REFUSED = tuple(one for one in CHANGES if one.startswith(("UPDATE invoices", "DELETE", "TRUNCATE")))


@pytest.mark.parametrize(
    ("statement", "role"),
    [*((one, "origin") for one in CHANGES), *((one, "replica") for one in AT_ONCE_REFUSED)],
)
async def test_what_is_issued_stays(books: Bookkeeper, statement: str, role: str) -> None:
    """Also in a session that replays another's changes."""
    await books.charge(date(2026, 10, 5), 100)
    invoice = await books.issued()
    with pytest.raises(DBAPIError):
        await books.execute(statement, role=role)
    (kept,) = await books.invoices()
    assert (kept.gross, kept.buyer, kept.number) == (100, invoice.buyer, 1)


async def test_a_line_is_what_the_ledger_says(books: Bookkeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    await books.charge(date(2026, 10, 5), 100)
    honest = issuing.lines_of

    def dearer(*arguments: Any) -> Any:
        lines = honest(*arguments)
        lines[0].net += 1
        return lines

    monkeypatch.setattr(issuing, "lines_of", dearer)
    with pytest.raises(IntegrityError, match="ledger"):
        await books.issue()
    assert await numbers(books) == []


async def test_a_charge_is_on_one_invoice(books: Bookkeeper) -> None:
    posted = await books.charge(date(2026, 10, 5), 100)
    await books.issued()
    await books.charge(date(2026, 11, 5), 70)
    later: Invoice = await books.issued(Month(2026, 11))
    (line,) = await books.lines(later)
    with pytest.raises(IntegrityError):
        await books.execute(
            "INSERT INTO invoice_charges VALUES (:charge, :line)", charge=posted.transaction_id, line=line.id
        )
