"""Orders at once, cut off in the middle, in any order: the money moves once, and for nobody else."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.billing.prices import holds, purchase
from backend.billing.prices.models import OrderHold
from backend.database import Database
from tests.api.operations import order_body
from tests.billing.purse import Purse
from tests.billing.shop import Shop
from tests.support.people import Person, UserFactory


class TestRaces:
    async def test_of_orders_as_many_succeed_as_are_paid_for(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(300 * 7)
        answers = await asyncio.gather(*(shop.order() for _ in range(20)))
        assert sorted(answer.status_code for answer in answers) == [202] * 7 + [409] * 13
        assert await purse.three() == (0, 2100, 0)

    async def test_upgrades_of_two_services_at_once(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(600 + 400)
        services = [await shop.ordered() for _ in range(2)]
        answers = await asyncio.gather(*(shop.choose(one, "cutter") for one in services))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert await purse.three() == (0, 1000, 0)

    async def test_the_same_order_sent_twice(self, shop: Shop, purse: Purse, ada: Person) -> None:
        await purse.top_up(1000)
        body, headers = order_body(), {**ada.headers, "Idempotency-Key": "order-1"}
        answers = await asyncio.gather(
            *(shop.client.post("/api/v1/orders", json=body, headers=headers) for _ in range(4))
        )
        assert {answer.status_code for answer in answers} == {202}
        assert await purse.three() == (700, 300, 0)

    async def test_deploying_and_deleting_at_once(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(300)
        shop.yard.builds = False
        service_id = (await shop.order()).json()["service_id"]
        await shop.work()
        await asyncio.gather(
            shop.deploy(service_id), shop.ask("DELETE", f"/services/{service_id}"), return_exceptions=True
        )
        await shop.work()
        assert await purse.three() == (300, 0, 0)


async def test_a_push_cannot_deploy_what_is_not_paid_for(shop: Shop, purse: Purse) -> None:
    """The forge is told, the history says why, and nothing is held."""
    await purse.top_up(300)
    shop.yard.builds = False
    service_id = (await shop.order()).json()["service_id"]
    await shop.work()
    await shop.order()
    hook = (await shop.ask("POST", f"/services/{service_id}/push/deploy-hook")).json()["url"]
    answer = await shop.client.post(hook)
    assert (answer.status_code, answer.json()["outcome"]) == (202, "ignored"), answer.text
    (delivery,) = (await shop.ask("GET", f"/services/{service_id}/push/deliveries")).json()["items"]
    assert (delivery["outcome"], delivery["reason_code"]) == ("ignored", "insufficient_funds")
    assert await purse.three() == (0, 300, 0)
    assert len(await shop.holds(service_id)) == 1


async def test_what_stands_still_does_not_start_on_nothing(shop: Shop, purse: Purse) -> None:
    """The hold is used up and nothing is left: it would run all of its grace unpaid."""
    await purse.top_up(300)
    service_id = await shop.ordered()
    path = f"/services/{service_id}"
    # While it has something set aside, it may stop and start.
    assert (await shop.ask("POST", f"{path}/stop")).status_code == 202
    await shop.work()
    assert (await shop.ask("POST", f"{path}/start")).status_code == 202
    await shop.work()
    async with shop.database.transaction() as session:
        held = await holds.draw(session, (await shop.service(service_id)).id, 300)
    await purse.charge(300, from_held=held)
    assert await purse.three() == (0, 0, 0)
    # What runs has its grace.
    assert (await shop.ask("POST", f"{path}/restart")).status_code == 202
    await shop.ask("POST", f"{path}/stop")
    # The stop waits still.
    assert (await shop.ask("POST", f"{path}/start")).json()["code"] == "insufficient_funds"
    await shop.work()
    for answer in (
        await shop.ask("POST", f"{path}/start"),
        await shop.ask("POST", f"{path}/restart"),
        await shop.deploy(service_id),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_funds")
    await purse.top_up(1)
    assert (await shop.ask("POST", f"{path}/start")).status_code == 202


async def test_what_costs_nothing_starts_without_money(shop: Shop, purse: Purse) -> None:
    await shop.price("dinghy", 0)
    service_id = await shop.ordered()
    await shop.ask("POST", f"/services/{service_id}/stop")
    await shop.work()
    assert (await shop.ask("POST", f"/services/{service_id}/start")).status_code == 202


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_money_is_only_used(shop: Shop, purse: Purse, seed: int) -> None:
    """Plans, failures, cancellations, charges and deletions in any order: what was paid in is held, free or
    used, and the holds of services are what the ledger holds.
    """
    chance = Random(seed)
    paid_in, used = 3000, 0
    await purse.top_up(paid_in)
    await shop.price("cutter", 700, 150)
    services: list[str] = []
    for _ in range(14):
        what = chance.choice(
            ("order", "deploy", "choose", "choose", "work", "break", "use", "delete", "sweep")
        )
        one = chance.choice(services) if services else None
        if what == "order" or one is None:
            answer = await shop.order(plan_id=chance.choice(("dinghy", "cutter")))
            services += [answer.json()["service_id"]] if answer.status_code == 202 else []
        elif what == "deploy":
            await shop.deploy(one)
        elif what == "choose":
            await shop.choose(one, chance.choice(("dinghy", "cutter", "schooner")))
        elif what == "use":
            async with shop.database.transaction() as session:
                held = await holds.draw(session, (await shop.service(one)).id, 37)
            await purse.charge(37, from_held=held)
        elif what == "delete":
            await shop.ask("DELETE", f"/services/{one}")
            services.remove(one)
        elif what == "sweep":
            await shop.release_ended()
        else:
            shop.yard.builds = what == "work"
            await shop.work()
        balance, held, due = await purse.three()
        used = await purse.operator("revenue")
        assert balance + held + due == paid_in - used
        assert min(balance, held, -due) >= 0
        async with shop.database.transaction() as session:
            kept = select(func.coalesce(func.sum(OrderHold.remaining_minor), 0))
            assert (await session.execute(kept)).scalar_one() == held
    shop.yard.builds = False
    await shop.work()
    for one in services:
        await shop.ask("DELETE", f"/services/{one}")
    await shop.work()
    await shop.release_ended()
    balance, held, due = await purse.three()
    assert (balance + due, held) == (paid_in - used, 0)


class Cut(Exception):
    pass


@pytest.mark.parametrize("where", ["put", "release", "_charge_setup"])
async def test_a_crash_leaves_all_or_nothing(
    shop: Shop, purse: Purse, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Cut off in the middle, and done again: the money moved once."""
    await purse.top_up(1000)
    await shop.price("dinghy", 300, 100)
    module = purchase if where == "_charge_setup" else holds
    whole = getattr(module, where)
    cuts = iter([True])

    async def cut(session: AsyncSession, *arguments: object) -> object:
        done = await whole(session, *arguments)
        if next(cuts, False):
            raise Cut
        return done

    monkeypatch.setattr(module, where, cut)
    if where == "put":
        assert (await shop.order()).status_code == 500
        assert await purse.three() == (1000, 0, 0)
        await shop.order()
        assert await purse.three() == (600, 400, 0)
        return
    shop.yard.builds = where == "_charge_setup"
    await shop.order()
    await shop.work()
    if where == "release":
        # Nobody works on it any more, so the next run does what the job did not come to.
        assert await purse.three() == (600, 400, 0)
        await shop.release_ended()
    expected = (600, 300, 0) if where == "_charge_setup" else (1000, 0, 0)
    assert await purse.three() == expected
    assert await purse.operator("revenue") == 1000 - sum(expected)


async def test_another_project_is_not_touched(
    shop: Shop, purse: Purse, user_factory: UserFactory, database: Database
) -> None:
    grace = await user_factory()
    hers = Purse(database, grace.project_id)
    await purse.top_up(1000)
    service_id = await shop.ordered()
    assert (await shop.order(grace)).json()["code"] == "insufficient_funds"
    for method, path in (
        ("GET", f"/services/{service_id}/plan-preview?plan_id=cutter"),
        ("GET", f"/orders/preview?plan_id=dinghy&project_id={shop.ada.project_id}"),
        ("GET", f"/projects/{shop.ada.project_id}/billing/coupons"),
    ):
        assert (await shop.ask(method, path, who=grace)).status_code == 404
    assert await purse.three() == (700, 300, 0)
    assert await hers.three() == (0, 0, 0)
