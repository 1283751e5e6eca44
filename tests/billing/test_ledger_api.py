"""Balances and entries through the API: one's own, everyone's, by hand, and with a second pair of eyes."""

from __future__ import annotations

import csv
import io
import uuid
from typing import Any

import httpx
import pytest

from tests.billing.purse import Purse
from tests.support.people import Person, UserFactory

ADJUSTMENTS = "/api/v1/admin/billing/ledger/adjustments"


def own(person: Person, what: str) -> str:
    return f"/api/v1/projects/{person.project_id}/billing/{what}"


async def read(client: httpx.AsyncClient, person: Person, path: str, **params: Any) -> Any:
    answer = await client.get(path, headers=person.headers, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def adjust(
    client: httpx.AsyncClient, by: Person, purse: Purse, amount: int, **headers: str
) -> httpx.Response:
    body = {"project_id": str(purse.project_id), "currency": "EUR", "amount": amount, "reason": "Ticket 204"}
    return await client.post(ADJUSTMENTS, json=body, headers=by.headers | headers)


async def test_balance_and_entries(client: httpx.AsyncClient, ada: Person, purse: Purse) -> None:
    assert await read(client, ada, own(ada, "balance")) == {
        "project_id": str(ada.project_id),
        "currency": "EUR",
        "standings": [
            {"currency": "EUR", "balance": 0, "held": 0, "due": 0, "credit_limit": 0, "available": 0}
        ],
    }
    await purse.top_up(1000)
    await purse.hold(300)
    await purse.charge(250, 50, from_held=300)
    await purse.charge(800)
    (present,) = (await read(client, ada, own(ada, "balance")))["standings"]
    assert (present["balance"], present["held"], present["due"]) == (0, 0, -100)
    items = (await read(client, ada, own(ada, "entries")))["items"]
    assert [
        (one["kind"], one["balance"], one["held"], one["due"], one["balance_after"]) for one in items
    ] == [
        ("charge", -700, 0, -100, 0),
        ("charge", 0, -300, 0, None),
        ("hold", -300, 300, 0, 700),
        ("top_up", 1000, 0, 0, 1000),
    ]
    page = await read(client, ada, own(ada, "entries"), kind="charge", size=1)
    following = await read(client, ada, own(ada, "entries"), kind="charge", size=1, cursor=page["next_page"])
    assert [one["id"] for one in page["items"] + following["items"]] == [one["id"] for one in items[:2]]


async def test_entries_as_a_file(client: httpx.AsyncClient, ada: Person, admin: Person, purse: Purse) -> None:
    await purse.top_up(1000)
    await purse.charge(1, 2)
    for person, path in ((ada, own(ada, "entries.csv")), (admin, "/api/v1/admin/billing/ledger/entries.csv")):
        answer = await client.get(path, headers=person.headers)
        rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
        assert [(row["kind"], row["amount"], row["balance"], row["balance_after"]) for row in rows] == [
            ("charge", "0.03", "-0.03", "9.97"),
            ("top_up", "10.00", "10.00", "10.00"),
        ]


async def test_everyone_s(
    client: httpx.AsyncClient, admin: Person, purse: Purse, user_factory: UserFactory
) -> None:
    bob = await user_factory()
    other = Purse(purse.database, bob.project_id)
    await purse.top_up(1000)
    await other.charge(70, 10)
    url = "/api/v1/admin/billing/ledger"
    customers = (await read(client, admin, f"{url}/customers"))["items"]
    assert {(one["project"]["id"], one["balance"], one["due"]) for one in customers} == {
        (str(purse.project_id), 1000, 0),
        (str(bob.project_id), 0, -80),
    }
    owing = (await read(client, admin, f"{url}/customers", owing=True))["items"]
    assert [one["project"]["id"] for one in owing] == [str(bob.project_id)]
    accounts = (await read(client, admin, f"{url}/accounts"))["items"]
    assert {(one["owner"], one["kind"], one["name"]): one["balance"] for one in accounts} == {
        ("projects", "balance", ""): 1000,
        ("projects", "due", ""): -80,
        ("projects", "held", ""): 0,
        ("operator", "gateway", "manual"): -1000,
        ("operator", "revenue", ""): 70,
        ("operator", "tax", ""): 10,
    }
    entries = await read(client, admin, f"{url}/entries", project_id=str(bob.project_id))
    assert [one["kind"] for one in entries["items"]] == ["charge"]


async def test_a_small_entry_is_made_at_once(client: httpx.AsyncClient, admin: Person, purse: Purse) -> None:
    first = await adjust(client, admin, purse, 10_000, **{"Idempotency-Key": "a"})
    again = await adjust(client, admin, purse, 10_000, **{"Idempotency-Key": "a"})
    assert first.status_code == again.status_code == 201, first.text
    assert first.json() == again.json()
    assert (first.json()["state"], first.json()["proposed_by"]["email"]) == ("posted", admin.email)
    assert await purse.three() == (10_000, 0, 0)
    assert (await adjust(client, admin, purse, -10_000)).json()["state"] == "posted"
    refused = await adjust(client, admin, purse, -1)
    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_funds")
    assert refused.json()["parameters"] == {"currency": "EUR", "needed": 1, "available": 0}
    assert (await adjust(client, admin, purse, 0)).json()["code"] == "amount_zero"


async def test_a_large_one_needs_another_administrator(
    client: httpx.AsyncClient, admin: Person, purse: Purse, user_factory: UserFactory
) -> None:
    second = await user_factory(roles=("user", "admin"))
    proposal = (await adjust(client, admin, purse, 10_001)).json()
    assert proposal["state"] == "proposed"
    assert await purse.three() == (0, 0, 0)
    url = f"{ADJUSTMENTS}/{proposal['id']}"
    own_one = await client.post(f"{url}/approve", headers=admin.headers)
    assert (own_one.status_code, own_one.json()["code"]) == (409, "own_proposal")
    approved = (await client.post(f"{url}/approve", headers=second.headers)).json()
    assert (approved["state"], approved["decided_by"]["email"]) == ("posted", second.email)
    assert await purse.three() == (10_001, 0, 0)
    for again in ("approve", "refuse"):
        answer = await client.post(f"{url}/{again}", headers=second.headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "already_decided")
    assert await purse.three() == (10_001, 0, 0)


@pytest.mark.parametrize("by_another", [True, False])
async def test_a_proposal_is_refused_or_taken_back(
    client: httpx.AsyncClient, admin: Person, purse: Purse, user_factory: UserFactory, by_another: bool
) -> None:
    second = await user_factory(roles=("user", "admin"))
    proposal = (await adjust(client, admin, purse, -50_000)).json()
    by = second if by_another else admin
    answer = await client.post(f"{ADJUSTMENTS}/{proposal['id']}/refuse", headers=by.headers)
    assert answer.json()["state"] == "refused"
    waiting = await read(client, admin, ADJUSTMENTS, state="proposed")
    assert waiting["items"] == []


async def test_a_proposal_for_nobody(client: httpx.AsyncClient, admin: Person, purse: Purse) -> None:
    nobody = Purse(purse.database, uuid.uuid4())
    assert (await adjust(client, admin, nobody, 5)).status_code == 404
    assert (
        await client.post(f"{ADJUSTMENTS}/{uuid.uuid4()}/approve", headers=admin.headers)
    ).status_code == 404


async def test_more_credit_settles_what_is_due(
    client: httpx.AsyncClient, admin: Person, purse: Purse
) -> None:
    await purse.charge(100)
    url = f"/api/v1/admin/billing/projects/{purse.project_id}/terms"
    body = {"credit_limit_minor": 70, "tax_exempt": False, "vat_id_checked": False}
    answer = await client.put(url, json=body, headers=admin.headers)
    assert (answer.status_code, answer.json()["credit_limit_minor"]) == (200, 70)
    assert await purse.three() == (-70, 0, -30)
    body["credit_limit_minor"] = None  # type: ignore[assignment]
    assert (await client.put(url, json=body, headers=admin.headers)).json()["credit_limit_minor"] is None
    present = await purse.standing()
    assert (present.balance, present.due, present.available) == (-70, -30, 0)


@pytest.mark.parametrize(("currency", "most"), [("EUR", 1_000_000), ("JPY", 10_000), ("KWD", 10_000_000)])
async def test_credit_has_a_bound_of_the_installation(
    client: httpx.AsyncClient, admin: Person, ada: Person, purse: Purse, currency: str, most: int
) -> None:
    await client.put(own(ada, "profile"), json={"currency": currency}, headers=ada.headers)
    url = f"/api/v1/admin/billing/projects/{purse.project_id}/terms"
    body = {"credit_limit_minor": most + 1, "tax_exempt": False, "vat_id_checked": False}
    refused = await client.put(url, json=body, headers=admin.headers)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "credit_limit_too_high")
    granted = await client.put(url, json=body | {"credit_limit_minor": most}, headers=admin.headers)
    assert granted.status_code == 200, granted.text


async def test_billing_details(client: httpx.AsyncClient, ada: Person, admin: Person, purse: Purse) -> None:
    url, terms = own(ada, "profile"), f"/api/v1/admin/billing/projects/{ada.project_id}/terms"
    known = await read(client, ada, url)
    assert (known["currency"], known["currency_fixed"], known["country"]) == ("EUR", False, None)
    details = {"currency": "JPY", "name": " Quay ", "address_lines": ["1 Quay"], "country": "DE"}
    details |= {"vat_id": "de 136 695 976", "invoice_locale": "ru", "invoice_email": "books@example.com"}
    answer = await client.put(url, json=details, headers=ada.headers)
    assert answer.status_code == 200, answer.text
    assert answer.json() | {"project_id": "", "currency_fixed": None} == known | {
        **details,
        "name": "Quay",
        "vat_id": "DE136695976",
        "project_id": "",
        "currency_fixed": None,
    }
    checked = {"credit_limit_minor": None, "tax_exempt": False, "vat_id_checked": True}
    assert (await client.put(terms, json=checked, headers=admin.headers)).json()["vat_id_checked"] is True
    # It was checked for this number, and for no other.
    details["vat_id"] = "DE111111125"
    assert (await client.put(url, json=details, headers=ada.headers)).json()["vat_id_checked"] is False
    await Purse(purse.database, ada.project_id, "JPY").top_up(5)
    other = await client.put(url, json=details | {"currency": "EUR"}, headers=ada.headers)
    assert (other.status_code, other.json()["code"]) == (409, "currency_fixed")
    assert (await read(client, ada, url))["currency_fixed"] is True


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"currency": "EURO"}, "currency"),
        ({"currency": "XYZ"}, "currency"),
        ({"country": "ZZ"}, "country"),
        ({"country": "DE", "vat_id": "DE123"}, "vat_id"),
        ({"vat_id": "DE136695976"}, "country"),
        ({"address_lines": ["a"] * 7}, "address_lines"),
        ({"name": "a\nb"}, "name"),
    ],
)
async def test_billing_details_that_cannot_be(
    client: httpx.AsyncClient, ada: Person, change: dict[str, Any], field: str
) -> None:
    answer = await client.put(own(ada, "profile"), json=change, headers=ada.headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["loc"][:2] == ["body", field]


async def test_a_project_without_money_is_found_by_name_and_owner(
    client: httpx.AsyncClient, admin: Person, ada: Person, user_factory: UserFactory
) -> None:
    grace = await user_factory()
    path = "/api/v1/admin/billing/ledger/projects"
    by_owner = (await read(client, admin, path, q=ada.email))["items"]
    assert [one["id"] for one in by_owner] == [str(ada.project_id)]
    assert (by_owner[0]["owner_email"], by_owner[0]["currency"]) == (ada.email, "EUR")
    beginning = by_owner[0]["name"][:4]
    by_name = (await read(client, admin, path, q=beginning))["items"]
    assert str(ada.project_id) in [one["id"] for one in by_name]
    assert (await read(client, admin, path, q="nobody'):*"))["items"] == []
    assert (await client.get(path, params={"q": "a"}, headers=grace.headers)).status_code == 403
