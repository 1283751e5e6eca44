"""Projects and accounts end without anybody's money in them, without debts, and with no card kept."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from backend.config import Settings
from tests.billing.meters import Fleet
from tests.billing.paying import Till
from tests.billing.purse import Purse
from tests.billing.stripelike import Stripelike
from tests.billing.test_payments_automatic import wish
from tests.support.people import PASSWORD


@pytest.fixture
def settings(stripe_settings: Settings) -> Settings:
    return stripe_settings


@pytest.fixture
async def second(till: Till) -> Till:
    """Ada's till, of a project that can be deleted."""
    made = await till.client.post("/api/v1/projects", json={"name": "Second"}, headers=till.person.headers)
    till.person = replace(till.person, project_id=UUID(made.json()["id"]))
    till.purse.project_id = till.person.project_id
    return till


async def deleted(till: Till) -> tuple[int, str | None]:
    path = f"/api/v1/projects/{till.person.project_id}"
    answer = await till.client.delete(path, headers=till.person.headers)
    return answer.status_code, answer.json()["code"] if answer.content else None


async def test_not_with_money_in_it(second: Till) -> None:
    await second.purse.top_up(5000)
    assert await deleted(second) == (409, "project_has_money")
    await second.purse.hold(5000)
    assert await deleted(second) == (409, "project_has_money")
    await second.purse.release(5000)
    await second.purse.pay_back(5000)
    assert await deleted(second) == (204, None)


async def test_not_with_money_of_another_currency(second: Till) -> None:
    await Purse(second.database, second.purse.project_id, "JPY").top_up(1)
    assert await deleted(second) == (409, "project_has_money")


async def test_not_with_debts(second: Till) -> None:
    await second.purse.charge(100)
    assert await deleted(second) == (409, "project_owes")
    await second.purse.top_up(100)
    assert await deleted(second) == (204, None)


async def test_not_while_somebody_pays(second: Till, stripelike: Stripelike) -> None:
    payment = await second.begun(2000)
    assert await deleted(second) == (409, "payment_open")
    stripelike.pay(payment["action_url"])
    await second.poll()
    assert await deleted(second) == (409, "project_has_money")


async def test_the_gateway_forgets_the_card(second: Till, stripelike: Stripelike) -> None:
    await wish(second, stripelike)
    assert await deleted(second) == (204, None)
    assert await second.rows("SELECT project_id FROM auto_top_ups") == []
    await second.poll()
    kept = await second.rows("SELECT removed_at, detached_at FROM payment_methods")
    assert kept
    assert all(removed and detached for removed, detached in kept)
    assert await second.rows("SELECT id FROM payments") == []


async def test_nor_an_account(till: Till) -> None:
    ask = {"json": {"password": PASSWORD}, "headers": till.person.headers}
    await till.purse.top_up(5000)
    answer = await till.client.post("/api/v1/me/deletion", **ask)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (409, "projects_in_the_way")
    found = [(error["loc"][1], error["code"]) for error in answer.json()["errors"]]
    assert found == [(str(till.person.project_id), "project_has_money")]
    await till.purse.pay_back(5000)
    answer = await till.client.post("/api/v1/me/deletion", **ask)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text


async def test_not_while_something_is_to_be_charged(second: Till) -> None:
    """Nothing is held for it: nobody but the run that charges knows of it yet."""
    fleet = Fleet(second.database, second.settings, second.person.project_id)
    ship = await fleet.ship()
    await second.execute("UPDATE services SET deleted_at = now(), desired = 'deleted'")
    await second.execute(
        "INSERT INTO usage_charges"
        " (id, project_id, service_id, meter, price_id, quantity, day, currency, seconds, amount)"
        " SELECT id, project_id, id, 'plan', price_id, 1, '2026-11-01', 'EUR', 60, 1"
        " FROM services WHERE id = :id",
        id=ship.id,
    )
    assert await deleted(second) == (409, "usage_unbilled")
    await second.execute("UPDATE usage_charges SET posted_at = now(), net = 1, tax = 0")
    assert await deleted(second) == (204, None)
