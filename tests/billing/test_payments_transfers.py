"""Bank transfers: references, statements as banks write them, what nobody is named on; and money by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from stdnum import iso11649

from backend.billing.payments import references, statements
from backend.config import Settings
from backend.exceptions import Invalid
from tests.billing.paying import Till
from tests.support.people import Person

IBAN = "DE02120300000000202051"


@pytest.fixture
def settings(settings_of: Callable[..., Settings]) -> Settings:
    return settings_of(
        credit_limit_minor=0,
        bank_recipient="Harbour Ltd",
        bank_account=IBAN,
        stripe_secret_key=None,
        stripe_webhook_secret=None,
    )


async def reference(till: Till) -> str:
    bank = (await till.ask("GET", "/payment-options")).json()["bank"]
    assert bank["account"] == IBAN
    return str(bank["reference"])


async def imported(till: Till, admin: Person, *lines: str, header: str = "date;amount;purpose;payer") -> Any:
    body = {"csv": "\n".join((header, *lines)) + "\n"}
    answer = await till.client.post("/api/v1/admin/billing/bank-statements", json=body, headers=admin.headers)
    assert answer.status_code == 200, answer.text
    return tuple(answer.json()[name] for name in ("matched", "unmatched", "known"))


async def unmatched(till: Till, admin: Person) -> list[dict[str, Any]]:
    path = "/api/v1/admin/billing/bank-lines?state=unmatched"
    found: list[dict[str, Any]] = (await till.client.get(path, headers=admin.headers)).json()["items"]
    return found


async def test_a_reference_stays_and_is_nobody_elses(till: Till, other_till: Till) -> None:
    first = await reference(till)
    assert first == await reference(till)
    assert first != await reference(other_till)
    assert iso11649.is_valid(first)


async def test_whoever_looks_as_somebody_else_makes_none(till: Till, admin: Person) -> None:
    body = {"reason": "A ticket"}
    path = f"/api/v1/admin/users/{till.person.id}/view-as"
    begun = await till.client.post(path, json=body, headers=admin.headers)
    assert begun.status_code in (200, 201), begun.text
    viewing = {"Authorization": f"Bearer {begun.json()['access_token']}"}
    answer = await till.client.get(f"{till.path}/payment-options", headers=viewing)
    assert answer.json()["bank"]["reference"] is None
    assert await till.rows("SELECT * FROM bank_references") == []
    assert await reference(till)


def test_typing_errors_are_noticed() -> None:
    right = references.new()
    for at in range(4, len(right)):
        wrong = right[:at] + str((int(right[at]) + 1) % 10) + right[at + 1 :]
        assert references.found_in(wrong) == []
    assert references.found_in(f"Hosting, {references.shown(right).lower()} thanks") == [right]
    assert references.found_in(f"{right}/{right}") == [right]


async def test_a_statement_finds_its_projects(till: Till, other_till: Till, admin: Person) -> None:
    mine, theirs = await reference(till), await reference(other_till)
    done = await imported(
        till,
        admin,
        f"2026-11-20;50,00;Hosting {mine};Ada",
        f"20.11.2026;34,50;{theirs.replace(' ', '')};Grace",
        "2026-11-20;7.00;a gift;Nobody",
        f"2026-11-20;-50,00;{mine};Out",
    )
    assert done == (2, 1, 0)
    assert await till.balance() == 5000
    assert await other_till.balance() == 3450
    assert await till.purse.operator("gateway", "bank_transfer") == -8450
    payments = (await till.ask("GET", "/payments")).json()["items"]
    assert [(one["gateway"], one["state"]) for one in payments] == [("bank_transfer", "succeeded")]


async def test_what_brings_nothing_is_counted(till: Till, admin: Person) -> None:
    file = "date;amount;purpose\n2026-11-20;-5;fees\n2026-11-20;0;nothing\n2026-11-20;7;a gift\n"
    answer = await till.client.post(
        "/api/v1/admin/billing/bank-statements", json={"csv": file}, headers=admin.headers
    )
    assert answer.json() == {"matched": 0, "unmatched": 1, "known": 0, "outgoing": 2}


async def test_what_cannot_be_read_is_told_by_a_code(till: Till, admin: Person) -> None:
    file = "date;amount;purpose\n2026-11-20;5;x\n2026-11-20;5.001;x\n"
    answer = await till.client.post(
        "/api/v1/admin/billing/bank-statements", json={"csv": file}, headers=admin.headers
    )
    (error,) = answer.json()["errors"]
    assert (error["loc"], error["code"]) == (["body", "csv"], "statement_decimals")
    assert error["parameters"] == {"line": 3, "currency": "EUR"}


async def test_a_file_that_comes_again_changes_nothing(till: Till, admin: Person) -> None:
    line = f"2026-11-20;50,00;{await reference(till)};Ada"
    assert await imported(till, admin, line, line) == (2, 0, 0)
    assert await imported(till, admin, line, line) == (0, 0, 2)
    results = await asyncio.gather(*(imported(till, admin, line, line, line) for _ in range(3)))
    assert sorted(results) == [(0, 0, 3), (0, 0, 3), (1, 0, 2)]
    assert await till.balance() == 15_000


async def test_what_is_with_nobody_is_given_by_a_person(till: Till, admin: Person) -> None:
    await imported(till, admin, "2026-11-20;7.00;a gift;Ada", "2026-11-21;9.00;interest;Bank")
    bank, gift = await unmatched(till, admin)
    assert (gift["reason_code"], gift["amount"]) == ("no_reference", 700)
    path = "/api/v1/admin/billing/bank-lines"
    body = {"project_id": str(till.person.project_id)}
    match = f"{path}/{gift['id']}/match"
    answers = await asyncio.gather(
        *(till.client.post(match, json=body, headers=admin.headers) for _ in range(3))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert await till.balance() == 700
    ignored = await till.client.post(
        f"{path}/{bank['id']}/ignore", json={"reason": "Interest"}, headers=admin.headers
    )
    assert ignored.json()["state"] == "ignored"
    assert await unmatched(till, admin) == []


async def test_another_currency_waits(till: Till, admin: Person) -> None:
    line = f"2026-11-20;50.00;{await reference(till)};Ada;USD"
    header = "date;amount;purpose;payer;currency"
    assert await imported(till, admin, line, header=header) == (0, 1, 0)
    assert (await unmatched(till, admin))[0]["reason_code"] == "wrong_currency"
    assert await till.balance() == 0


async def test_two_references_on_one_line_wait(till: Till, other_till: Till, admin: Person) -> None:
    both = f"{await reference(till)} {await reference(other_till)}"
    assert await imported(till, admin, f"2026-11-20;50.00;{both};Ada") == (0, 1, 0)
    assert (await unmatched(till, admin))[0]["reason_code"] == "several_references"


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("1,234.50", "EUR", 123_450),
        ("1.234,50", "EUR", 123_450),
        ("1 234,5", "EUR", 123_450),
        ("1234", "EUR", 123_400),
        ("1.234", "EUR", None),
        ("1.234.567", "EUR", 123_456_700),
        ("1,234", "JPY", 1234),
        ("500", "JPY", 500),
        ("12,345", "KWD", 12_345),
        ("12.34", "KWD", 12_340),
        ("1.234,567", "KWD", 1_234_567),
    ],
)
def test_amounts_as_banks_write_them(text: str, currency: str, amount: int | None) -> None:
    file = f'date,amount,purpose,currency\n2026-11-20,"{text}",x,{currency}\n'
    if amount is None:
        # One and a bit, or a thousand and more: a person has to say.
        with pytest.raises(Invalid):
            statements.read(file, "EUR")
    else:
        assert [line.amount for line in statements.read(file, "EUR").lines] == [amount]


@pytest.mark.parametrize(
    "file",
    [
        "",
        "nonsense",
        "date;amount\n2026-11-20;5",
        "date;amount;purpose\nyesterday;5;x",
        "date;amount;purpose\n2026-11-20;five;x",
        "date;amount;purpose\n2026-11-20;5.001;x",
        "date;amount;purpose\n2026-11-20;1e9;x",
        "date;amount;purpose;currency\n2026-11-20;5;x;XXQ",
        "date;amount;purpose\n2026-11-20;99999999999999999999;x",
    ],
)
async def test_files_that_cannot_be_read_change_nothing(till: Till, admin: Person, file: str) -> None:
    answer = await till.client.post(
        "/api/v1/admin/billing/bank-statements", json={"csv": file}, headers=admin.headers
    )
    assert answer.status_code == 422
    assert await till.rows("SELECT id FROM bank_lines") == []


async def test_one_line_by_hand(till: Till, admin: Person) -> None:
    body = {"booked_on": "2026-11-20", "amount": 5000, "currency": "EUR", "purpose": await reference(till)}
    path = "/api/v1/admin/billing/bank-lines"
    for expected in ((1, 0, 0), (0, 0, 1)):
        answer = await till.client.post(path, json=body, headers=admin.headers)
        assert tuple(answer.json().values()) == (*expected, 0)
    assert await till.balance() == 5000


async def test_money_by_hand_and_back(till: Till, admin: Person, client: httpx.AsyncClient) -> None:
    body = {
        "project_id": str(till.person.project_id),
        "amount": 5000,
        "currency": "EUR",
        "reason": "Cash, receipt 17",
    }
    path, headers = "/api/v1/admin/billing/payments", admin.headers | {"Idempotency-Key": "cash-17"}
    first = await client.post(path, json=body, headers=headers)
    again = await client.post(path, json=body, headers=headers)
    assert first.status_code == 201, first.text
    assert first.json() == again.json()
    assert await till.balance() == 5000
    assert (await client.post(path, json=body, headers=till.person.headers)).status_code == 403
    large = await client.post(path, json=body | {"amount": 10_001}, headers=admin.headers)
    assert (large.status_code, large.json()["code"]) == (409, "second_pair_of_eyes")
    payment = first.json()
    refund = await client.post(
        f"{path}/{payment['id']}/refunds",
        json={"amount": 2000, "reason": "Paid back in cash"},
        headers=admin.headers,
    )
    assert refund.status_code == 202
    assert refund.json()["job_id"] is None
    assert refund.json()["payment"]["refunds"][0]["state"] == "succeeded"
    assert await till.purse.three() == (3000, 0, 0)


async def test_without_an_account_none_is_shown(user_factory: Any, client: httpx.AsyncClient) -> None:
    ada = await user_factory()
    options = await client.get(
        f"/api/v1/projects/{ada.project_id}/billing/payment-options", headers=ada.headers
    )
    assert options.json()["gateways"] == []


def test_nothing_set_is_no_way_to_pay(settings: Settings) -> None:
    assert settings.payable()
    nothing = {"bank_account": "", "bank_recipient": "", "yookassa_shop_id": "", "yookassa_secret_key": None}
    bare = settings.model_copy(update=nothing)
    assert not bare.payable()
    assert bare.model_copy(update={"payment_contact": "Cash at the harbour office"}).payable()
