"""What an order, a deployment, a change of plan and a deletion do to the money."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from backend.billing.prices import holds, purchase
from backend.config import Settings
from backend.database import Database, now
from tests.billing.purse import Purse
from tests.billing.shop import Shop


class TestFirstPeriod:
    async def test_is_held_and_kept_while_it_lives(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(1000)
        service_id = await shop.ordered()
        assert await purse.three() == (700, 300, 0)
        await shop.deploy(service_id)
        await shop.work()
        assert await purse.three() == (700, 300, 0)

    async def test_without_funds_nothing_is_ordered(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(299)
        answer = await shop.order()
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "insufficient_funds")
        assert problem["parameters"] == {"currency": "EUR", "needed": 300, "available": 299}
        assert await purse.three() == (299, 0, 0)
        assert (await shop.ask("GET", "/services")).json()["items"] == []

    async def test_is_released_when_the_first_deployment_fails(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(300)
        shop.yard.builds = False
        answer = await shop.order()
        assert await purse.three() == (0, 300, 0)
        await shop.work()
        assert await purse.three() == (300, 0, 0)
        # And held again by the next attempt, which another order must not have spent.
        service_id = answer.json()["service_id"]
        other = await shop.order()
        assert (await shop.deploy(service_id)).json()["code"] == "insufficient_funds"
        await shop.delete(other.json()["service_id"])
        shop.yard.builds = True
        assert (await shop.deploy(service_id)).status_code == 202
        await shop.work()
        assert await purse.three() == (0, 300, 0)
        first, second = await shop.holds(service_id)
        assert first.released_at is not None
        assert second.released_at is None

    async def test_is_released_when_the_order_is_cancelled(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(300)
        answer = (await shop.order()).json()
        assert (await shop.ask("POST", f"/jobs/{answer['job_id']}/cancel", {})).status_code in (200, 202)
        assert await purse.three() == (300, 0, 0)
        # The second deployment, while the first one waits, does not hold twice.
        assert (await shop.deploy(answer["service_id"])).status_code == 202
        assert (await shop.deploy(answer["service_id"])).status_code == 202
        assert await purse.three() == (0, 300, 0)

    async def test_is_released_when_it_is_deleted_before_it_lived(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(300)
        answer = (await shop.order()).json()
        assert (await shop.ask("DELETE", f"/services/{answer['service_id']}")).status_code == 202
        assert await purse.three() == (300, 0, 0)
        await shop.work()
        assert await purse.three() == (300, 0, 0)

    async def test_a_failure_of_a_later_deployment_releases_nothing(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(300)
        service_id = await shop.ordered()
        shop.yard.builds = False
        await shop.deploy(service_id)
        await shop.work()
        assert await purse.three() == (0, 300, 0)

    async def test_of_a_deleted_service_waits_for_its_last_charge(
        self, shop: Shop, purse: Purse, database: Database
    ) -> None:
        await purse.top_up(300)
        service_id = await shop.ordered()
        await shop.delete(service_id)
        assert await purse.three() == (0, 300, 0)
        assert await purchase.release_ended(database, now() - timedelta(hours=1)) == 0
        assert await shop.release_ended() == 1
        assert await purse.three() == (300, 0, 0)
        assert await shop.release_ended() == 0

    async def test_is_drawn_by_charges(self, shop: Shop, purse: Purse, database: Database) -> None:
        await purse.top_up(300)
        service_id = (await shop.service(await shop.ordered())).id
        for asked, given in ((100, 100), (250, 200), (1, 0)):
            async with database.transaction() as session:
                assert await holds.draw(session, service_id, asked) == given

    async def test_nothing_is_held_where_nothing_is_charged(
        self, shop: Shop, purse: Purse, settings_of: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        free = settings_of(billing_enabled=False, credit_limit_minor=0)
        for module in ("purchase", "offers", "quoting"):
            monkeypatch.setattr(f"backend.billing.prices.{module}.get_settings", lambda: free)
        assert (await shop.ask("GET", "/me")).json()["billing_enabled"] is True
        monkeypatch.setattr("backend.lk.account.get_settings", lambda: free)
        assert (await shop.ask("GET", "/me")).json()["billing_enabled"] is False
        service_id = await shop.ordered()
        assert await purse.three() == (0, 0, 0)
        assert (await shop.pays(service_id)).month_minor == 300
        quote = (await shop.ask("GET", "/orders/preview?plan_id=dinghy")).json()
        assert (quote["charged"], quote["held_minor"], quote["missing_minor"]) == (False, 0, 0)


class TestSetup:
    async def test_is_held_with_the_order_and_charged_once_it_is_live(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(1000)
        await shop.price("dinghy", 300, 250)
        await shop.order()
        assert await purse.three() == (450, 550, 0)
        await shop.work()
        assert await purse.three() == (450, 300, 0)
        assert await purse.operator("revenue") == 250

    async def test_is_charged_once_however_often_it_is_deployed(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(1000)
        await shop.price("dinghy", 300, 250)
        service_id = await shop.ordered()
        for plan in ("cutter", "dinghy"):
            await shop.move(service_id, plan)
        assert await purse.operator("revenue") == 250

    async def test_is_not_charged_for_what_never_lived(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(1000)
        await shop.price("dinghy", 300, 250)
        shop.yard.builds = False
        await shop.order()
        await shop.work()
        assert await purse.three() == (1000, 0, 0)


class TestPlans:
    async def test_an_upgrade_holds_the_difference_and_pays_once_it_is_live(
        self, shop: Shop, purse: Purse
    ) -> None:
        await purse.top_up(1000)
        service_id = await shop.ordered()
        assert (await shop.choose(service_id, "cutter")).status_code == 200
        assert await purse.three() == (300, 700, 0)
        assert (await shop.pays(service_id)).plan_id == "dinghy"
        await shop.deploy(service_id)
        await shop.work()
        assert (await shop.pays(service_id)).plan_id == "cutter"
        assert await purse.three() == (300, 700, 0)

    async def test_an_upgrade_needs_the_funds(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(699)
        service_id = await shop.ordered()
        answer = await shop.choose(service_id, "cutter")
        assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_funds")
        assert answer.json()["parameters"] == {"currency": "EUR", "needed": 400, "available": 399}
        assert (await shop.service(service_id)).plan_id == "dinghy"
        assert await purse.three() == (399, 300, 0)

    async def test_a_downgrade_releases_once_it_is_live(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(700)
        service_id = await shop.ordered(plan_id="cutter")
        quote = (await shop.ask("GET", f"/services/{service_id}/plan-preview?plan_id=dinghy")).json()
        assert (quote["held_minor"], quote["freed_minor"], quote["balance_after_minor"]) == (0, 400, 400)
        await shop.choose(service_id, "dinghy")
        assert await purse.three() == (0, 700, 0)
        await shop.deploy(service_id)
        assert await purse.three() == (0, 700, 0)
        await shop.work()
        assert await purse.three() == (400, 300, 0)

    async def test_a_second_thought_releases_at_once(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(700)
        service_id = await shop.ordered()
        await shop.choose(service_id, "cutter")
        await shop.choose(service_id, "dinghy")
        assert await purse.three() == (400, 300, 0)

    async def test_what_never_lived_holds_when_it_is_deployed(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(1000)
        shop.yard.builds = False
        service_id = (await shop.order(plan_id="cutter")).json()["service_id"]
        await shop.work()
        for plan in ("schooner", "dinghy"):
            assert (await shop.choose(service_id, plan)).status_code == 200
            assert await purse.three() == (1000, 0, 0)
        await shop.deploy(service_id)
        assert await purse.three() == (700, 300, 0)

    async def test_a_plan_on_its_way_keeps_its_funds(self, shop: Shop, purse: Purse) -> None:
        """Or it would be used without: ordered dear, taken back, and live all the same."""
        await purse.top_up(700)
        service_id = await shop.ordered()
        await shop.choose(service_id, "cutter")
        await shop.deploy(service_id)
        await shop.choose(service_id, "dinghy")
        assert await purse.three() == (0, 700, 0)
        await shop.work()
        assert (await shop.pays(service_id)).plan_id == "cutter"
        assert await purse.three() == (0, 700, 0)
        await shop.deploy(service_id)
        await shop.work()
        assert await purse.three() == (400, 300, 0)

    async def test_back_and_forth_pays_nothing_out(
        self, shop: Shop, purse: Purse, database: Database
    ) -> None:
        """polar#5826: credit by repeated changes. What was drawn stays drawn, and money stays the same."""
        await purse.top_up(2000)
        service_id = await shop.ordered()
        used = 0
        for plan, drawn in (
            ("schooner", 120),
            ("dinghy", 10),
            ("schooner", 500),
            ("cutter", 7),
            ("dinghy", 0),
        ):
            await shop.move(service_id, plan)
            used += await self._use(shop, purse, service_id, drawn)
            balance, held, due = await purse.three()
            assert balance + held + due == 2000 - used
            assert held >= 0
            assert balance <= 2000 - used
        assert await purse.operator("revenue") == used

    @staticmethod
    async def _use(shop: Shop, purse: Purse, service_id: str, amount: int) -> int:
        if not amount:
            return 0
        async with shop.database.transaction() as session:
            held = await holds.draw(session, (await shop.service(service_id)).id, amount)
        await purse.charge(amount, from_held=held)
        return amount

    async def test_a_used_up_period_is_held_no_more(
        self, shop: Shop, purse: Purse, database: Database
    ) -> None:
        await purse.top_up(1000)
        service_id = await shop.ordered()
        await self._use(shop, purse, service_id, 300)
        assert await purse.three() == (700, 0, 0)
        await shop.deploy(service_id)
        await shop.work()
        assert await purse.three() == (700, 0, 0)
        # An upgrade holds what a month of it costs more, however old the service is.
        await shop.move(service_id, "cutter")
        assert await purse.three() == (300, 400, 0)
        await shop.move(service_id, "dinghy")
        assert await purse.three() == (400, 300, 0)

    async def test_a_rollback_takes_the_plan_that_is_paid_for(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(700)
        service_id = await shop.ordered()
        first = (await shop.service(service_id)).live_deployment_id
        await shop.move(service_id, "cutter")
        answer = await shop.ask("POST", f"/services/{service_id}/rollbacks", {"deployment_id": str(first)})
        assert answer.status_code == 202, answer.text
        await shop.work()
        assert (await shop.pays(service_id)).plan_id == "cutter"
        assert await purse.three() == (0, 700, 0)
