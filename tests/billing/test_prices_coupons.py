"""Coupons: who may use them and how often, what they take off, and that they never pay anything out."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from backend.billing.metering import forecast
from backend.billing.prices import coupons, repricing
from backend.billing.prices.coupons import normalised
from backend.billing.prices.models import Coupon, CouponRedemption
from backend.billing.prices.months import months_later
from backend.config import Settings
from backend.database import Database, now
from tests.billing.purse import Purse
from tests.billing.shop import Shop
from tests.support.people import Person, UserFactory


@pytest.fixture
def make(shop: Shop, admin: Person) -> Any:
    """`await make(code="…", percent=10)`."""

    async def coupon(code: str = "HARBOUR-10", **values: Any) -> dict[str, Any]:
        kind = "amount" if "amount_minor" in values else "percent"
        body = {"code": code, "kind": kind, **({"percent": 10} if kind == "percent" else {}), **values}
        answer = await shop.ask("POST", "/admin/billing/coupons", body, admin)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    return coupon


async def change(database: Database, **values: Any) -> None:
    async with database.transaction() as session:
        await session.execute(update(Coupon).values(**values))


class TestCodes:
    @pytest.mark.parametrize("typed", ["HARBOUR-10", "harbour-10", "  Harbour-10 ", "\tHARBOUR-10\n"])
    def test_of_people(self, typed: str) -> None:
        assert normalised(typed) == "HARBOUR-10"

    @pytest.mark.parametrize(
        "typed",
        [
            *("", "A", "-AB", "AB-", "A B C", "A_B", "A'B", "A;--", "A" * 41, "%41BC", "<B>"),
            *("ＨＡＲＢＯＵＲ", "НARBOUR", "harbour\u200d10", "ſale", "ﬀ-10", "\x00ABC", "ABC\ud800", "١٢٣"),
        ],
        ids=ascii,
    )
    def test_that_are_none(self, typed: str) -> None:
        """Look-alikes are not forgiven: `ſ`.upper() is S, and a Cyrillic Н is no H."""
        assert normalised(typed) is None

    @pytest.mark.parametrize("typed", ["НARBOUR-10", "ſale", "x" * 41, "\x00ABC", "💸💸💸", "'; DROP"])
    async def test_that_are_none_order_nothing(self, shop: Shop, purse: Purse, make: Any, typed: str) -> None:
        await purse.top_up(1000)
        await make()
        await make("SALE")
        answer = await shop.order(coupon=typed)
        assert (answer.status_code, answer.json()["code"]) == (422, "coupon_unknown")
        assert answer.json()["errors"][0]["loc"] == ["body", "coupon"]
        assert await purse.three() == (1000, 0, 0)


class TestWorth:
    async def test_of_per_cent(self, shop: Shop, purse: Purse, make: Any) -> None:
        await purse.top_up(1000)
        await make(percent=25)
        await shop.price("dinghy", 303, 99)
        service_id = await shop.ordered(coupon="harbour-10")
        # A quarter of 303 is 75.75, of 99 it is 24.75: half a cent goes to the customer.
        paid = await shop.pays(service_id)
        assert (paid.month_minor, paid.setup_minor) == (227, 74)
        assert await purse.three() == (1000 - 227 - 74, 227, 0)
        order = (await shop.ask("GET", "/orders")).json()["items"][0]
        assert order["price_minor"] == 227

    @pytest.mark.parametrize(("off", "month"), [(100, 200), (300, 0), (10**12, 0)])
    async def test_of_an_amount(self, shop: Shop, purse: Purse, make: Any, off: int, month: int) -> None:
        await purse.top_up(1000)
        await make(amount_minor=off, currency="EUR")
        service_id = await shop.ordered(coupon="HARBOUR-10")
        assert (await shop.pays(service_id)).month_minor == month
        assert await purse.three() == (1000 - month, month, 0)

    async def test_nothing_left_to_pay_is_nothing_to_hold(self, shop: Shop, purse: Purse, make: Any) -> None:
        await make(percent=100)
        service_id = await shop.ordered(coupon="HARBOUR-10")
        assert await purse.three() == (0, 0, 0)
        assert await shop.holds(service_id) == []
        await shop.delete(service_id)
        assert await purse.three() == (0, 0, 0)

    async def test_in_another_currency(self, shop: Shop, purse: Purse, make: Any) -> None:
        await purse.top_up(1000)
        await make(amount_minor=100, currency="USD")
        assert (await shop.order(coupon="HARBOUR-10")).json()["code"] == "coupon_currency"

    async def test_goes_along_to_another_plan_and_back(self, shop: Shop, purse: Purse, make: Any) -> None:
        await purse.top_up(2000)
        await make(percent=50)
        service_id = await shop.ordered(coupon="HARBOUR-10")
        first = await shop.pays(service_id)
        await shop.move(service_id, "schooner")
        assert (await shop.pays(service_id)).month_minor == 750
        assert await purse.three() == (2000 - 750, 750, 0)
        await shop.move(service_id, "dinghy")
        assert (await shop.pays(service_id)).id == first.id
        assert await purse.three() == (2000 - 150, 150, 0)


class TestLimits:
    async def test_in_all(self, shop: Shop, purse: Purse, make: Any, database: Database) -> None:
        await purse.top_up(10_000)
        await make(uses_limit=3, uses_per_project=10)
        answers = await asyncio.gather(*(shop.order(coupon="HARBOUR-10") for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [202] * 3 + [422] * 5
        assert {answer.json().get("code") for answer in answers} == {None, "coupon_used_up"}
        async with database.transaction() as session:
            assert (await session.execute(select(Coupon.uses))).scalar_one() == 3

    async def test_of_people_at_once(
        self, shop: Shop, make: Any, database: Database, user_factory: UserFactory
    ) -> None:
        """The last use goes to one of them, whichever project they are of."""
        people = [await user_factory() for _ in range(4)]
        for one in people:
            await Purse(database, one.project_id).top_up(1000)
        await make(uses_limit=1)
        answers = await asyncio.gather(*(shop.order(one, coupon="HARBOUR-10") for one in people))
        assert sorted(answer.status_code for answer in answers) == [202, 422, 422, 422]

    async def test_of_one_project(self, shop: Shop, purse: Purse, make: Any) -> None:
        await purse.top_up(10_000)
        await make()
        answers = await asyncio.gather(*(shop.order(coupon="HARBOUR-10") for _ in range(3)))
        assert sorted(answer.status_code for answer in answers) == [202, 422, 422]

    async def test_to_a_first_order(self, shop: Shop, purse: Purse, make: Any, ada: Person) -> None:
        await purse.top_up(10_000)
        await make(first_order=True, uses_per_project=10)
        first = (await shop.order(coupon="HARBOUR-10")).json()
        assert (await shop.order(coupon="HARBOUR-10")).json()["code"] == "coupon_first_order"
        # One that never lived and is gone was none.
        shop.yard.builds = False
        await shop.work()
        await shop.delete(first["service_id"])
        shop.yard.builds = True
        assert (await shop.order(coupon="HARBOUR-10")).status_code == 202

    async def test_a_first_order_is_one_of_the_person(
        self, shop: Shop, purse: Purse, make: Any, database: Database
    ) -> None:
        """Not of each project that they make."""
        await purse.top_up(1000)
        await make(first_order=True)
        await shop.ordered()
        made = await shop.ask("POST", "/projects", {"name": "Another"})
        other = made.json()["id"]
        await Purse(database, other).top_up(1000)
        answer = await shop.order(coupon="HARBOUR-10", project_id=other)
        assert answer.json()["code"] == "coupon_first_order"

    async def test_of_two_coupons_at_once_one_is_of_the_first_order(
        self, shop: Shop, purse: Purse, make: Any, database: Database
    ) -> None:
        codes = ("FIRST-1", "FIRST-2", "FIRST-3")
        projects = [purse.project_id]
        for code in codes:
            await make(code, first_order=True)
        for name in ("Another", "A third"):
            projects.append((await shop.ask("POST", "/projects", {"name": name})).json()["id"])
        for project_id in projects:
            await Purse(database, project_id).top_up(1000)
        answers = await asyncio.gather(
            *(
                shop.order(coupon=code, project_id=str(project_id))
                for code, project_id in zip(codes, projects, strict=True)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [202, 422, 422]

    async def test_expired(self, shop: Shop, purse: Purse, make: Any, database: Database) -> None:
        await purse.top_up(1000)
        await make(expires_at=(now() + timedelta(hours=1)).isoformat())
        await change(database, expires_at=now() - timedelta(seconds=1))
        assert (await shop.order(coupon="HARBOUR-10")).json()["code"] == "coupon_expired"

    async def test_taken_back(self, shop: Shop, purse: Purse, make: Any, admin: Person) -> None:
        await purse.top_up(1000)
        coupon = await make()
        service_id = await shop.ordered(coupon="HARBOUR-10")
        path = f"/admin/billing/coupons/{coupon['id']}"
        assert (await shop.ask("DELETE", path, who=admin)).status_code == 204
        assert (await shop.ask("DELETE", path, who=admin)).json()["code"] == "coupon_over"
        assert (await shop.order(coupon="HARBOUR-10")).json()["code"] == "coupon_unknown"
        assert (await shop.pays(service_id)).month_minor == 270

    async def test_is_given_back_by_a_service_that_never_lived(
        self, shop: Shop, purse: Purse, make: Any, database: Database
    ) -> None:
        await purse.top_up(1000)
        await make(uses_limit=1)
        shop.yard.builds = False
        answer = (await shop.order(coupon="HARBOUR-10")).json()
        await shop.work()
        assert (await shop.order(coupon="HARBOUR-10")).json()["code"] == "coupon_used_up"
        await shop.delete(answer["service_id"])
        assert (await shop.order(coupon="HARBOUR-10")).status_code == 202

    async def test_is_not_given_back_by_one_that_lived(self, shop: Shop, purse: Purse, make: Any) -> None:
        await purse.top_up(1000)
        await make(uses_limit=1)
        await shop.delete(await shop.ordered(coupon="HARBOUR-10"))
        assert (await shop.order(coupon="HARBOUR-10")).json()["code"] == "coupon_used_up"

    async def test_a_refused_order_uses_nothing(
        self, shop: Shop, purse: Purse, make: Any, database: Database
    ) -> None:
        await make(uses_limit=1)
        assert (await shop.order(coupon="HARBOUR-10")).json()["code"] == "insufficient_funds"
        await purse.top_up(1000)
        assert (await shop.order(coupon="HARBOUR-10")).status_code == 202

    async def test_codes_cannot_be_guessed_at_leisure(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers = [
            await shop.ask("GET", f"/orders/preview?plan_id=dinghy&coupon=GUESS-{n}") for n in range(61)
        ]
        assert {answer.status_code for answer in answers[:60]} == {422}
        assert answers[60].status_code == 429


class TestMonths:
    @pytest.mark.parametrize(
        ("at", "months", "later"),
        [
            ("2027-01-31 10:00", 1, "2027-02-28 10:00"),
            ("2028-01-31 10:00", 1, "2028-02-29 10:00"),
            ("2028-02-29 10:00", 12, "2029-02-28 10:00"),
            ("2027-12-31 23:59", 2, "2028-02-29 23:59"),
            ("2026-11-30 00:00", 3, "2027-02-28 00:00"),
            ("2026-12-15 12:00", 1, "2027-01-15 12:00"),
        ],
    )
    def test_end_on_days_that_there_are(
        self, settings: Settings, app: Any, at: str, months: int, later: str
    ) -> None:
        begin = datetime.fromisoformat(at).replace(tzinfo=UTC)
        assert months_later(begin, months) == datetime.fromisoformat(later).replace(tzinfo=UTC)

    async def test_begin_when_it_goes_live_and_end(
        self, shop: Shop, purse: Purse, make: Any, database: Database, ada: Person
    ) -> None:
        await purse.top_up(1000)
        await make(months=1)
        service_id = await shop.ordered(coupon="HARBOUR-10")
        assert (await shop.pays(service_id)).month_minor == 270
        async with database.transaction() as session:
            ends_at = (await session.execute(select(CouponRedemption.ends_at))).scalar_one()
        assert ends_at is not None
        assert timedelta(days=27) < ends_at - now() < timedelta(days=32)
        async with database.transaction() as session:
            (one,) = (await forecast.of(session, ada.project_id)).meters
        assert (one.month_minor, one.discount_ends, one.month_after) == (270, ends_at, 300)
        assert await repricing.run(database, ends_at - timedelta(seconds=1)) == 0
        assert await repricing.run(database, ends_at + timedelta(days=3)) == 1
        assert await repricing.run(database, ends_at + timedelta(days=3)) == 0
        assert (await shop.pays(service_id)).month_minor == 300

    async def test_are_shown_to_the_project(self, shop: Shop, purse: Purse, make: Any, ada: Person) -> None:
        await purse.top_up(1000)
        await make(months=3)
        service_id = await shop.ordered(coupon="HARBOUR-10")
        (shown,) = (await shop.ask("GET", f"/projects/{ada.project_id}/billing/coupons")).json()["items"]
        assert (shown["code"], shown["service_id"], shown["months"]) == ("HARBOUR-10", service_id, 3)
        assert shown["ends_at"] is not None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "percent"}, "percent_missing"),
        ({"kind": "percent", "percent": 0}, "invalid"),
        ({"kind": "percent", "percent": 101}, "invalid"),
        ({"kind": "percent", "percent": "10"}, "invalid"),
        ({"kind": "percent", "percent": 10.5}, "invalid"),
        ({"kind": "amount", "currency": "EUR"}, "amount_missing"),
        ({"kind": "amount", "amount_minor": 5}, "currency_missing"),
        ({"kind": "amount", "amount_minor": 5, "currency": "eur"}, "invalid"),
        ({"kind": "amount", "amount_minor": 10**12 + 1, "currency": "EUR"}, "invalid"),
        ({"kind": "amount", "amount_minor": -5, "currency": "EUR"}, "invalid"),
        ({"kind": "percent", "percent": 5, "months": 0}, "invalid"),
        ({"kind": "percent", "percent": 5, "uses_limit": 0}, "invalid"),
        ({"kind": "percent", "percent": 5, "expires_at": "2020-01-01T00:00:00Z"}, "in_the_past"),
        ({"kind": "percent", "percent": 5, "expires_at": "2030-01-01T00:00:00"}, "invalid"),
        ({"kind": "percent", "percent": 5, "code": "НARBOUR"}, "invalid"),
        ({"kind": "percent", "percent": 5, "note": "a\x00b"}, "invalid"),
    ],
    ids=str,
)
async def test_what_is_no_coupon(shop: Shop, admin: Person, body: dict[str, Any], code: str) -> None:
    answer = await shop.ask("POST", "/admin/billing/coupons", {"code": "ABC", **body}, admin)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text


async def test_two_of_one_code(shop: Shop, admin: Person, make: Any) -> None:
    await make("ABC")
    body = {"code": " abc", "kind": "percent", "percent": 5}
    answer = await shop.ask("POST", "/admin/billing/coupons", body, admin)
    assert (answer.status_code, answer.json()["code"]) == (409, "coupon_exists")


async def test_lowered_never_below_nothing(shop: Shop, purse: Purse) -> None:
    coupon = Coupon(kind="amount", amount_minor=10**12)
    price = await shop.price("dinghy", 1)
    from backend.billing.prices.versions import version_of

    assert coupons.lowered(coupon, version_of(price)) == (0, 0)
