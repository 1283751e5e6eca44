"""Invoices over the API: whose they are, what an administrator may, and the files."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Any
from uuid import uuid4

import httpx
import pypdf
import pytest

from backend.billing.invoices.models import Invoice, InvoiceLine
from backend.config import Settings
from backend.database import Database
from tests.billing.invoicing import Bookkeeper
from tests.billing.purse import Purse
from tests.support.mailbox import Mailbox
from tests.support.people import Person, UserFactory

ADMIN = "/api/v1/admin/billing"


@pytest.fixture
def books(database: Database, settings: Settings, ada: Person) -> Bookkeeper:
    return Bookkeeper(database, settings, ada.project_id)


@pytest.fixture
async def invoice(books: Bookkeeper) -> Invoice:
    await books.charge(date(2026, 10, 5), 1_000, 190)
    await books.charge(date(2026, 10, 6), 500, 95, service="other")
    return await books.issued()


def own(person: Person, path: str = "") -> str:
    return f"/api/v1/projects/{person.project_id}/billing/invoices{path}"


async def test_a_customer_sees_an_invoice_whole(
    client: httpx.AsyncClient, ada: Person, invoice: Invoice
) -> None:
    (listed,) = (await client.get(own(ada), headers=ada.headers)).json()["items"]
    assert (listed["reference"], listed["gross"], listed["credited"]) == (invoice.reference, 1_785, 0)
    assert (listed["period_start"], listed["period_end"]) == ("2026-10-01", "2026-10-31")
    whole = (await client.get(own(ada, f"/{invoice.id}"), headers=ada.headers)).json()
    assert [line["gross"] for line in whole["lines"]] == [1_190, 595]
    assert (whole["lines"][0]["first_day"], whole["lines"][0]["last_day"]) == ("2026-10-05", "2026-10-05")
    line = whole["lines"][0]["id"]
    (charge,) = (
        await client.get(own(ada, f"/{invoice.id}/lines/{line}/charges"), headers=ada.headers)
    ).json()
    assert (charge["net"], charge["tax"], charge["source_type"]) == (1_000, 190, "usage_charge")


async def test_filters_and_sorts(client: httpx.AsyncClient, ada: Person, invoice: Invoice) -> None:
    for wanted, found in (
        ({"kind": "invoice"}, 1),
        ({"kind": "credit_note"}, 0),
        ({"currency": "EUR", "month": "2026-10"}, 1),
        ({"month": "2026-11"}, 0),
        ({"reference": invoice.reference.lower()}, 1),
        ({"sort": "gross"}, 1),
    ):
        answer = await client.get(own(ada), params=wanted, headers=ada.headers)
        assert (answer.status_code, len(answer.json()["items"])) == (200, found), wanted
    for wrong in ({"month": "2026-13"}, {"month": "0000-01"}, {"currency": "eur"}, {"kind": "bill"}):
        assert (await client.get(own(ada), params=wrong, headers=ada.headers)).status_code == 422


async def test_somebody_elses_is_not_there(
    client: httpx.AsyncClient, ada: Person, invoice: Invoice, user_factory: UserFactory
) -> None:
    bob = await user_factory()
    paths = ("", ".csv", f"/{invoice.id}", f"/{invoice.id}/pdf", f"/{invoice.id}/lines/{uuid4()}/charges")
    for path in paths:
        # Ada's project is not his; and by way of his own project hers is not there either.
        assert (await client.get(own(ada, path), headers=bob.headers)).status_code == 404
        own_answer = await client.get(own(bob, path), headers=bob.headers)
        assert own_answer.status_code == (200 if path in ("", ".csv") else 404)
        assert str(invoice.id) not in own_answer.text
        assert (await client.get(f"{ADMIN}/invoices{path}", headers=bob.headers)).status_code in (403, 404)


async def test_the_pdf(client: httpx.AsyncClient, ada: Person, admin: Person, invoice: Invoice) -> None:
    answer = await client.get(own(ada, f"/{invoice.id}/pdf"), headers=ada.headers)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == f'attachment; filename="{invoice.reference}.pdf"'
    assert invoice.reference in pypdf.PdfReader(io.BytesIO(answer.content)).pages[0].extract_text()
    again = await client.get(f"{ADMIN}/invoices/{invoice.id}/pdf", headers=admin.headers)
    assert again.content == answer.content


async def credit(
    client: httpx.AsyncClient, admin: Person, invoice: Invoice, body: dict[str, Any], key: str = ""
) -> httpx.Response:
    headers = admin.headers | ({"Idempotency-Key": key} if key else {})
    path = f"{ADMIN}/invoices/{invoice.id}/credit-notes"
    return await client.post(path, json={"reason": "It was not available", **body}, headers=headers)


async def test_a_credit_note_in_parts(
    client: httpx.AsyncClient, ada: Person, admin: Person, invoice: Invoice, books: Bookkeeper, purse: Purse
) -> None:
    first, second = await books.lines(invoice)
    before = (await purse.standing()).due
    part = {"lines": [{"line_id": str(first.id), "gross": 333}]}
    answer = await credit(client, admin, invoice, part, key="once")
    assert answer.status_code == 201, answer.text
    note = answer.json()
    assert (note["kind"], note["gross"], note["net"], note["tax"]) == ("credit_note", 333, 280, 53)
    assert note["reference"].startswith("CN-")
    assert note["corrects"] == {"id": str(invoice.id), "reference": invoice.reference}
    # The same again does nothing more.
    assert (await credit(client, admin, invoice, part, key="once")).json() == note
    assert (await purse.standing()).due == before + 333
    more = {"lines": [{"line_id": str(first.id), "gross": 858}]}
    refused = await credit(client, admin, invoice, more)
    assert (refused.status_code, refused.json()["code"]) == (422, "more_than_invoiced")
    rest = (await credit(client, admin, invoice, {})).json()
    assert [line["gross"] for line in rest["lines"]] == [857, 595]
    # Rounded as a whole: both parts make up the line's tax.
    assert [line["tax"] for line in rest["lines"]] == [137, 95]
    refused = await credit(client, admin, invoice, {})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_left")
    assert await purse.operator("revenue") == await purse.operator("tax") == 0
    whole = (await client.get(own(ada, f"/{invoice.id}"), headers=ada.headers)).json()
    assert whole["credited"] == whole["gross"]
    assert [one["gross"] for one in whole["credit_notes"]] == [333, 1_452]
    assert [line["credited"] for line in whole["lines"]] == [1_190, 595]
    found = await books.execute("SELECT template FROM letters ORDER BY created_at")
    assert [row.template for row in found] == ["invoice_issued", "credit_note_issued", "credit_note_issued"]
    assert second.gross == 595


async def test_the_letter_brings_the_paper(
    client: httpx.AsyncClient, ada: Person, books: Bookkeeper, mailbox: Mailbox
) -> None:
    await books.charge(date(2026, 10, 1), 1_000, 190)
    invoice = await books.issued()
    letter = await mailbox.letter(to=ada.email, template="invoice_issued")
    (file,) = letter.message.iter_attachments()
    assert (file.get_filename(), file.get_content_type()) == (f"{invoice.reference}.pdf", "application/pdf")
    path = f"/api/v1/projects/{ada.project_id}/billing/invoices/{invoice.id}/pdf"
    assert file.get_content() == (await client.get(path, headers=ada.headers)).content
    assert invoice.reference in letter.text


async def test_a_note_that_would_take_tax_is_refused(
    client: httpx.AsyncClient, admin: Person, books: Bookkeeper, purse: Purse
) -> None:
    await books.charge(date(2026, 10, 1), 1_000)
    await books.charge(date(2026, 10, 2), 1_000, 190, service="other")
    await books.charge(date(2026, 10, 3), -100, -19, service="third", tax_code="domestic", tax_rate=190_000)
    invoice = await books.issued()
    lines = {line.gross: str(line.id) for line in await books.lines(invoice)}
    wanted = {"lines": [{"line_id": lines[1_000], "gross": 1_000}, {"line_id": lines[-119], "gross": -119}]}
    refused = await credit(client, admin, invoice, wanted)
    assert refused.status_code == 422, refused.text
    await credit(client, admin, invoice, {"lines": [{"line_id": lines[1_190], "gross": 1_190}]})
    refused = await credit(client, admin, invoice, {})
    assert (refused.status_code, refused.json()["code"]) == (422, "takes_back")


async def test_crediting_an_invoice_with_a_line_below_zero(
    client: httpx.AsyncClient, admin: Person, books: Bookkeeper, purse: Purse
) -> None:
    await books.charge(date(2026, 10, 1), 1_000, 190)
    await books.charge(date(2026, 10, 2), -200, -38, service="other", tax_code="domestic", tax_rate=190_000)
    invoice = await books.issued()
    assert invoice.gross == 952
    below, above = sorted(await books.lines(invoice), key=lambda line: line.gross)

    def of(line: InvoiceLine, gross: int) -> dict[str, Any]:
        return {"lines": [{"line_id": str(line.id), "gross": gross}]}

    # No more than was to be paid, though the line by itself was more.
    for body in (of(above, 953), of(below, 1)):
        refused = await credit(client, admin, invoice, body)
        assert (refused.status_code, refused.json()["code"]) == (422, "more_than_invoiced")
    assert (await credit(client, admin, invoice, of(above, 595))).json()["tax"] == 95
    rest = await credit(client, admin, invoice, {})
    assert rest.status_code == 201, rest.text
    assert rest.json()["gross"] == 952 - 595
    assert {line["gross"]: line["tax"] for line in rest.json()["lines"]} == {595: 95, -238: -38}
    assert (await credit(client, admin, invoice, {})).json()["code"] == "nothing_left"
    assert await purse.operator("revenue") == await purse.operator("tax") == 0


async def test_what_cannot_be_credited(
    client: httpx.AsyncClient, admin: Person, invoice: Invoice, books: Bookkeeper
) -> None:
    line = (await books.lines(invoice))[0]
    twice = [{"line_id": str(line.id), "gross": 1}] * 2
    strange = [{"line_id": str(uuid4()), "gross": 1}]
    for body, code in (
        ({"lines": twice}, "invalid"),
        ({"lines": strange}, "unknown_line"),
        ({"lines": []}, "invalid"),
        ({"lines": [{"line_id": str(line.id), "gross": 0}]}, "invalid"),
        ({"reason": " "}, "invalid"),
    ):
        answer = await credit(client, admin, invoice, body)
        assert (answer.status_code, answer.json()["code"]) == (422, code), body
    note = (await credit(client, admin, invoice, {})).json()
    again = await client.post(
        f"{ADMIN}/invoices/{note['id']}/credit-notes", json={"reason": "again"}, headers=admin.headers
    )
    assert (again.status_code, again.json()["code"]) == (409, "not_an_invoice")


async def test_files_for_bookkeepers(
    client: httpx.AsyncClient, ada: Person, admin: Person, invoice: Invoice, books: Bookkeeper
) -> None:
    await books.execute("UPDATE projects SET name = '=HYPERLINK(1)' WHERE id = :id", id=ada.project_id)
    await credit(client, admin, invoice, {})
    for path, headers in ((own(ada, ".csv"), ada.headers), (f"{ADMIN}/invoices.csv", admin.headers)):
        answer = await client.get(path, headers=headers)
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert [(row["kind"], row["gross"], row["net"]) for row in rows] == [
            ("credit_note", "-17.85", "-15.00"),
            ("invoice", "17.85", "15.00"),
        ]
        assert rows[0]["corrects"] == invoice.reference
        assert rows[0]["project_name"] == "'=HYPERLINK(1)"


async def test_the_tax_report(
    client: httpx.AsyncClient, admin: Person, books: Bookkeeper, purse: Purse
) -> None:
    french: dict[str, Any] = {"tax_rate": 200_000, "tax_country": "FR", "tax_code": "destination"}
    await books.charge(date(2026, 10, 5), 1_000, 190)
    await books.charge(date(2026, 10, 5), 1_000, 200, **french)
    await books.charge(date(2026, 10, 5), 300, currency="JPY")
    invoice = await books.issued()
    await books.issued(currency="JPY")
    await books.charge(date(2026, 11, 5), 70, 13)
    await credit(
        client, admin, invoice, {"lines": [{"line_id": str((await books.lines(invoice))[0].id), "gross": 1}]}
    )
    month = f"{invoice.issued_at:%Y-%m}"
    report = (await client.get(f"{ADMIN}/taxes", headers=admin.headers)).json()
    found = {
        (row["country"], row["currency"]): (row["net"], row["tax"], row["rate"]) for row in report["rows"]
    }
    assert {row["month"] for row in report["rows"]} == {month}
    assert found[None, "JPY"] == (300, 0, 0)
    assert sum(row["gross"] for row in report["rows"] if row["currency"] == "EUR") == 2_390 - 1
    assert report["not_invoiced"] == [{"currency": "EUR", "net": 70, "tax": 13}]
    # All of it together is the ledger.
    euros = [row for row in report["rows"] + report["not_invoiced"] if row["currency"] == "EUR"]
    assert sum(row["net"] for row in euros) == await purse.operator("revenue")
    assert sum(row["tax"] for row in euros) == await purse.operator("tax")
    answer = await client.get(f"{ADMIN}/taxes.csv", params={"since": month}, headers=admin.headers)
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert {(row["country"], row["rate_percent"]) for row in rows} == {("DE", "19"), ("FR", "20"), ("", "0")}
    assert {row["net"] for row in rows if row["currency"] == "JPY"} == {"300"}
    reversed_ = {"since": "2026-11", "until": "2026-10"}
    assert (await client.get(f"{ADMIN}/taxes", params=reversed_, headers=admin.headers)).status_code == 422
