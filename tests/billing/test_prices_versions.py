"""Price versions: who pays which, from when; and what things cost before they are ordered."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from backend.billing.ledger.models import BillingProfile
from backend.billing.metering.models import UsageEvent
from backend.billing.prices import loading, notices, offered, repricing
from backend.billing.prices.models import PriceNotice
from backend.billing.prices.versions import PERIOD_SECONDS, per_hour
from backend.billing.runs.progress import SomeFailed
from backend.catalogue.loading import load
from backend.config import Settings
from backend.database import Database, now
from backend.exceptions import Conflict, Invalid
from backend.mail import outbox
from backend.mail.models import Letter
from tests.billing.purse import Purse
from tests.billing.shop import Shop
from tests.support.people import Person


async def month(database: Database, at: datetime, plan: str = "dinghy", currency: str = "EUR") -> int | None:
    async with database.transaction() as session:
        price = await offered(session, plan, currency, at)
        return price.month_minor if price else None


class TestOffered:
    async def test_is_the_newest_that_has_begun(self, shop: Shop, database: Database) -> None:
        later = now() + timedelta(days=10)
        await shop.price("dinghy", 500, valid_from=later)
        await shop.price("dinghy", 400)
        assert await month(database, now()) == 400
        assert await month(database, later - timedelta(microseconds=1)) == 400
        assert await month(database, later) == 500

    async def test_in_each_currency_by_itself(self, shop: Shop, database: Database) -> None:
        for currency, minor in (("JPY", 450), ("KWD", 1234)):
            await shop.price("dinghy", minor, currency=currency)
            assert await month(database, now(), currency=currency) == minor
        assert await month(database, now(), currency="USD") is None
        plans = (await shop.ask("GET", "/plans")).json()["items"]
        dinghy = next(plan for plan in plans if plan["id"] == "dinghy")
        assert [price["currency"] for price in dinghy["prices"]] == ["EUR", "JPY", "KWD"]
        assert (dinghy["price_minor"], dinghy["currency"]) == (300, "EUR")

    async def test_two_at_the_same_moment(self, shop: Shop, database: Database) -> None:
        at = now()
        answers = await asyncio.gather(
            *(shop.price("dinghy", 400 + n, valid_from=at) for n in range(4)), return_exceptions=True
        )
        assert sum(isinstance(answer, Conflict) for answer in answers) == 3

    @pytest.mark.parametrize("what", ["valid_from", "moves_at"])
    async def test_never_in_the_past(self, shop: Shop, what: str) -> None:
        with pytest.raises(Invalid):
            await shop.price("dinghy", 400, existing="move", **{what: now() - timedelta(days=1)})

    async def test_a_withdrawn_one_is_sold_no_more_and_kept_by_who_has_it(
        self, shop: Shop, purse: Purse, database: Database, admin: Person
    ) -> None:
        await purse.top_up(1000)
        service_id = await shop.ordered()
        paid = await shop.pays(service_id)
        path = f"/admin/billing/prices/{paid.id}"
        assert (await shop.ask("DELETE", path, who=admin)).status_code == 204
        assert (await shop.ask("DELETE", path, who=admin)).json()["code"] == "price_over"
        assert await month(database, now()) is None
        assert (await shop.order()).json()["code"] == "plan_not_in_currency"
        assert (await shop.deploy(service_id)).status_code == 202
        await shop.work()
        assert (await shop.pays(service_id)).id == paid.id

    async def test_one_to_come_is_forgotten(self, shop: Shop, database: Database, admin: Person) -> None:
        coming = await shop.price("dinghy", 999, valid_from=now() + timedelta(days=1))
        assert (await shop.ask("DELETE", f"/admin/billing/prices/{coming.id}", who=admin)).status_code == 204
        assert await month(database, now() + timedelta(days=2)) == 300


class TestExisting:
    async def test_keep(self, shop: Shop, purse: Purse, database: Database) -> None:
        await purse.top_up(2000)
        service_id = await shop.ordered()
        await shop.price("dinghy", 900)
        assert await repricing.run(database, now()) == 0
        await shop.deploy(service_id)
        await shop.work()
        assert (await shop.pays(service_id)).month_minor == 300
        # Who leaves the plan and comes back is no old customer of it.
        await shop.move(service_id, "cutter")
        await shop.move(service_id, "dinghy")
        assert (await shop.pays(service_id)).month_minor == 900

    async def test_move_on_the_day(self, shop: Shop, purse: Purse, database: Database) -> None:
        await purse.top_up(1000)
        service_id = await shop.ordered()
        day = now() + timedelta(days=10)
        await shop.price("dinghy", 900, existing="move", moves_at=day)
        assert await repricing.run(database, day - timedelta(seconds=1)) == 0
        # However late it is done, it counts from that moment.
        assert await repricing.run(database, day + timedelta(days=2)) == 1
        assert await repricing.run(database, day + timedelta(days=2)) == 0
        assert (await shop.pays(service_id)).month_minor == 900
        async with database.transaction() as session:
            statement = select(UsageEvent).order_by(UsageEvent.id.desc()).limit(1)
            event = (await session.execute(statement)).scalar_one()
        assert (event.kind, event.occurred_at) == ("repriced", day.replace(microsecond=0))

    async def test_customers_are_told_before_and_once(
        self, shop: Shop, purse: Purse, database: Database, settings: Settings
    ) -> None:
        await purse.top_up(2000)
        await shop.ordered(name="tides")
        await shop.ordered(name="gulls")
        day = now() + timedelta(days=40)
        price = await shop.price("dinghy", 900, existing="move", moves_at=day)
        further = await shop.price(
            "dinghy", 950, existing="move", valid_from=day, moves_at=day + timedelta(days=5)
        )

        async def told(at: datetime) -> list[dict[str, Any]]:
            await notices.run(settings, database, at)
            async with database.transaction() as session:
                letters = await session.scalars(
                    select(Letter).where(Letter.template == "price_moves").order_by(Letter.id)
                )
                return [outbox.unseal(one.id, one.content) for one in letters if one.content]

        assert await told(day - timedelta(days=30, seconds=1)) == []
        (letter,) = await told(day - timedelta(days=30))
        assert (letter["services"], letter["before"], letter["after"]) == ("gulls, tides", "€3.00", "€9.00")
        assert await told(day - timedelta(days=29)) == [letter]
        _, second = await told(day - timedelta(days=20))
        assert (second["before"], second["after"]) == ("€9.00", "€9.50")
        assert await repricing.run(database, day + timedelta(days=6)) == 2
        assert len(await told(day + timedelta(days=6))) == 2
        async with database.transaction() as session:
            rows = (await session.execute(select(PriceNotice.price_id))).scalars().all()
        assert sorted(rows) == sorted([price.id, further.id] * 2)

    async def test_move_past_versions_in_between(self, shop: Shop, purse: Purse, database: Database) -> None:
        await purse.top_up(1000)
        service_id = await shop.ordered()
        await shop.price("dinghy", 400)
        await shop.price("dinghy", 500, existing="move", valid_from=now() + timedelta(days=5))
        await shop.price("dinghy", 600, existing="move", valid_from=now() + timedelta(days=9))
        assert await repricing.run(database, now() + timedelta(days=6)) == 1
        assert (await shop.pays(service_id)).month_minor == 500
        assert await repricing.run(database, now() + timedelta(days=10)) == 1
        assert (await shop.pays(service_id)).month_minor == 600

    async def test_nobody_moves_to_one_that_was_withdrawn(
        self, shop: Shop, purse: Purse, database: Database, admin: Person
    ) -> None:
        await purse.top_up(1000)
        service_id = await shop.ordered()
        mistaken = await shop.price("dinghy", 9_000, existing="move", moves_at=now() + timedelta(days=10))
        path = f"/admin/billing/prices/{mistaken.id}"
        assert (await shop.ask("DELETE", path, who=admin)).status_code == 204
        assert await repricing.run(database, now() + timedelta(days=11)) == 0
        assert (await shop.pays(service_id)).month_minor == 300

    async def test_one_in_trouble_keeps_no_other_from_moving(
        self, shop: Shop, purse: Purse, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await purse.top_up(1000)
        first, second = sorted([await shop.ordered(), await shop.ordered()])
        await shop.price("dinghy", 400, existing="move")
        honest = repricing._carry_out

        async def stumbling(session: Any, service_id: UUID, until: datetime) -> bool:
            if service_id == UUID(first):
                raise ValueError("a price that nobody foresaw")
            return await honest(session, service_id, until)

        monkeypatch.setattr(repricing, "_carry_out", stumbling)
        with pytest.raises(SomeFailed):
            await repricing.run(database, now())
        assert [(await shop.pays(one)).month_minor for one in (first, second)] == [300, 400]

    async def test_move_with_a_discount(
        self, shop: Shop, purse: Purse, database: Database, admin: Person
    ) -> None:
        await purse.top_up(1000)
        body = {"code": "HALF", "kind": "percent", "percent": 50, "months": 2}
        await shop.ask("POST", "/admin/billing/coupons", body, admin)
        service_id = await shop.ordered(coupon="HALF")
        await shop.price("dinghy", 900, existing="move", valid_from=now() + timedelta(days=5))
        await repricing.run(database, now() + timedelta(days=6))
        assert (await shop.pays(service_id)).month_minor == 450
        await repricing.run(database, now() + timedelta(days=70))
        assert (await shop.pays(service_id)).month_minor == 900

    async def test_moves_nobody_of_another_plan(self, shop: Shop, purse: Purse, database: Database) -> None:
        await purse.top_up(1000)
        service_id = await shop.ordered(plan_id="cutter")
        await shop.price("dinghy", 900, existing="move")
        assert await repricing.run(database, now()) == 0
        assert (await shop.pays(service_id)).month_minor == 700


class TestCatalogue:
    async def test_loading_again_changes_nothing(self, database: Database, settings: Settings) -> None:
        async def count() -> int:
            async with database.transaction() as session:
                return int((await session.execute(text("SELECT count(*) FROM prices"))).scalar_one())

        before = await count()
        async with database.transaction() as session:
            await load(session, settings)
        assert await count() == before == 7

    async def test_only_what_the_file_says_anew(self, shop: Shop, database: Database) -> None:
        """A price that an administrator set stays, until the file itself changes."""
        await shop.price("dinghy", 400)
        plan = {"id": "dinghy", "prices": {"EUR": 300, "USD": 330}, "setup": {"USD": 100}}
        for _ in range(2):
            async with database.transaction() as session:
                await loading.load_prices(session, [plan])
            assert await month(database, now()) == 400
            assert await month(database, now(), currency="USD") == 330
        async with database.transaction() as session:
            await loading.load_prices(session, [{**plan, "prices": {"EUR": 350}}])
        assert await month(database, now()) == 350

    @pytest.mark.parametrize("prices", [{"EURO": 1}, {"EUR": -1}, {"EUR": 1.5}, {"EUR": True}], ids=str)
    async def test_no_nonsense(self, database: Database, prices: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="catalogue"):
            async with database.transaction() as session:
                await loading.load_prices(session, [{"id": "dinghy", "prices": prices}])


class TestPreview:
    async def test_says_what_the_order_does(self, shop: Shop, purse: Purse, admin: Person) -> None:
        await purse.top_up(1000)
        await shop.price("dinghy", 672, 250)
        body = {"code": "TENTH", "kind": "percent", "percent": 10, "months": 2}
        await shop.ask("POST", "/admin/billing/coupons", body, admin)
        quote = (await shop.ask("GET", "/orders/preview?plan_id=dinghy&coupon=tenth")).json()
        assert (quote["month_list_minor"], quote["month_minor"]) == (672, 605)
        assert (quote["setup_list_minor"], quote["setup_minor"]) == (250, 225)
        assert quote["coupon"] == {"code": "TENTH", "months": 2}
        assert Decimal(quote["hour_minor_decimal"]) == Decimal("0.900297619048")
        assert await purse.three() == (1000, 0, 0)
        await shop.order(coupon="tenth")
        balance, held, _ = await purse.three()
        assert (quote["balance_after_minor"], quote["held_minor"]) == (balance, held) == (170, 830)

    async def test_says_what_is_missing(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(120)
        quote = (await shop.ask("GET", "/orders/preview?plan_id=dinghy")).json()
        assert (quote["missing_minor"], quote["balance_after_minor"]) == (180, -180)

    async def test_of_another_plan(self, shop: Shop, purse: Purse) -> None:
        await purse.top_up(1000)
        service_id = await shop.ordered()
        path = f"/services/{service_id}/plan-preview?plan_id="
        for plan, held in (("dinghy", 0), ("cutter", 400), ("schooner", 1200)):
            quote = (await shop.ask("GET", path + plan)).json()
            assert quote["held_minor"] == held
        assert quote["missing_minor"] == 500
        assert await purse.three() == (700, 300, 0)

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("plan_id=none-such", "plan_unknown"),
            ("plan_id=dinghy&coupon=NONE", "coupon_unknown"),
            ("plan_id=A", "invalid"),
        ],
    )
    async def test_of_nothing(self, shop: Shop, query: str, code: str) -> None:
        answer = await shop.ask("GET", f"/orders/preview?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, code)


class TestCurrencies:
    @pytest.mark.parametrize(("currency", "minor"), [("JPY", 450), ("KWD", 1234), ("USD", 330)])
    async def test_are_paid_in(
        self, shop: Shop, database: Database, ada: Person, currency: str, minor: int
    ) -> None:
        async with database.transaction() as session:
            session.add(BillingProfile(project_id=ada.project_id, currency=currency))
        purse = Purse(database, ada.project_id, currency)
        assert (await shop.order()).json()["code"] == "plan_not_in_currency"
        await shop.price("dinghy", minor, currency=currency)
        await purse.top_up(minor)
        service_id = await shop.ordered()
        assert await purse.three() == (0, minor, 0)
        # And not changed to a plan that nobody sells in it.
        assert (await shop.choose(service_id, "cutter")).json()["code"] == "plan_not_in_currency"

    async def test_huge_ones(self, shop: Shop, purse: Purse) -> None:
        await shop.price("dinghy", 10**12, 10**12)
        quote = (await shop.ask("GET", "/orders/preview?plan_id=dinghy")).json()
        assert quote["missing_minor"] == 2 * 10**12
        await purse.top_up(2 * 10**12)
        await shop.ordered()
        assert await purse.three() == (0, 10**12, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"month_minor": -1},
        {"month_minor": 10**12 + 1},
        {"month_minor": "300"},
        {"month_minor": 3.5},
        {"month_minor": True},
        {"setup_minor": -1},
        {"currency": "EURO"},
        {"currency": "eur"},
        {"currency": "ÈUR"},
        {"plan_id": "none-such"},
        {"valid_from": "2020-01-01T00:00:00Z"},
        {"valid_from": "2030-01-01T00:00:00"},
        {"existing": "drop"},
        {"valid_from": "2030-01-01T00:00:00Z", "existing": "move", "moves_at": "2029-01-01T00:00:00Z"},
        {"unknown": 1},
    ],
    ids=str,
)
async def test_what_is_no_price(shop: Shop, admin: Person, change: dict[str, Any]) -> None:
    body = {"plan_id": "dinghy", "currency": "EUR", "month_minor": 300, **change}
    assert (await shop.ask("POST", "/admin/billing/prices", body, admin)).status_code == 422


async def test_the_list_of_the_operator(shop: Shop, purse: Purse, admin: Person) -> None:
    await purse.top_up(1000)
    await shop.ordered()
    body = {"plan_id": "dinghy", "currency": "EUR", "month_minor": 400}
    assert (await shop.ask("POST", "/admin/billing/prices", body, admin)).status_code == 201
    await shop.price("dinghy", 500, valid_from=now() + timedelta(days=1))
    plans = (await shop.ask("GET", "/admin/billing/prices", who=admin)).json()["items"]
    dinghy = next(plan for plan in plans if plan["id"] == "dinghy")
    told = [(one["month_minor"], one["state"], one["services"]) for one in dinghy["versions"]]
    assert told == [(500, "coming", 0), (400, "present", 0), (300, "past", 1)]
    assert dinghy["versions"][1]["valid_until"] == dinghy["versions"][0]["valid_from"]


@given(st.integers(0, 10**12))
def test_hours_come_to_the_month(month_minor: int) -> None:
    """Twenty-eight days of hours are the month's price, to less than the smallest unit."""
    hours = Decimal(per_hour(month_minor)) * (PERIOD_SECONDS // 3600)
    assert abs(hours - month_minor) < Decimal("0.001")
