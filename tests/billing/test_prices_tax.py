"""Which tax a project pays, and how amounts split: in any mode, in currencies of any number of decimals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.billing.countries import EU, is_country
from backend.billing.ledger.models import BillingProfile
from backend.billing.prices import tax, vatids
from backend.billing.prices.tax import Treatment
from backend.config import Settings
from backend.database import Database, now
from tests.billing.purse import Purse
from tests.billing.shop import Shop
from tests.support.people import Person

Ask = Callable[..., Awaitable[Treatment]]


@pytest.fixture
def treated(
    database: Database,
    ada: Person,
    settings_of: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> Ask:
    """`await treated("DE", country="FR")`: how an operator of Germany taxes a customer of France."""

    async def ask(home: str | None, at: datetime | None = None, **profile: Any) -> Treatment:
        one_stop_shop = profile.pop("one_stop_shop", True)
        settings = settings_of(operator_country=home, tax_eu_one_stop_shop=one_stop_shop)
        monkeypatch.setattr(tax, "get_settings", lambda: settings)
        async with database.transaction() as session:
            if profile:
                session.add(BillingProfile(project_id=ada.project_id, currency="EUR", **profile))
                await session.flush()
            return await tax.treatment_of(session, ada.project_id, at)

    return ask


@pytest.mark.parametrize(
    ("home", "profile", "code", "rate"),
    [
        (None, {"country": "DE"}, "none", 0),
        ("DE", {}, "domestic", 190_000),
        ("DE", {"country": "DE"}, "domestic", 190_000),
        ("DE", {"country": "FR"}, "destination", 200_000),
        ("DE", {"country": "FI"}, "destination", 255_000),
        ("DE", {"country": "FR", "one_stop_shop": False}, "domestic", 190_000),
        ("DE", {"country": "CH", "vat_id_checked": True}, "export", 0),
        # Nobody gets rid of the tax by saying that they are abroad.
        ("DE", {"country": "CH"}, "domestic", 190_000),
        ("DE", {"country": "US", "vat_id": "12-3456789"}, "domestic", 190_000),
        ("DE", {"country": "DE", "tax_exempt": True}, "exempt", 0),
        ("DE", {"country": "FR", "vat_id": "FR40303265045", "vat_id_checked": True}, "reverse_charge", 0),
        ("DE", {"country": "GR", "vat_id": "EL094259216", "vat_id_checked": True}, "reverse_charge", 0),
        # A number that nobody made sure of, one of another country, one of home.
        ("DE", {"country": "FR", "vat_id": "FR40303265045"}, "destination", 200_000),
        ("DE", {"country": "FR", "vat_id": "ATU13585627", "vat_id_checked": True}, "destination", 200_000),
        ("DE", {"country": "DE", "vat_id": "DE136695976", "vat_id_checked": True}, "domestic", 190_000),
        # Outside the Union only home is taxed.
        ("CH", {"country": "DE", "vat_id_checked": True}, "export", 0),
        ("CH", {"country": "DE"}, "domestic", 0),
        ("CH", {"country": "CH"}, "domestic", 0),
    ],
    ids=str,
)
async def test_rules(treated: Ask, home: str | None, profile: dict[str, Any], code: str, rate: int) -> None:
    found = await treated(home, **profile)
    assert (found.code, found.rate_millionths) == (code, rate)
    assert found.reverse_charge is (code == "reverse_charge")
    assert (found.note is not None) is (code in ("reverse_charge", "export", "exempt"))


@pytest.mark.parametrize(
    ("at", "rate"),
    [("2024-08-31 20:00", 240_000), ("2024-09-01 00:00", 255_000), ("2026-11-22 00:00", 255_000)],
)
async def test_rate_of_the_day(treated: Ask, at: str, rate: int) -> None:
    found = await treated("DE", datetime.fromisoformat(at).replace(tzinfo=UTC), country="FI")
    assert found.rate_millionths == rate


def test_every_country_of_the_union_has_a_rate() -> None:
    import tomllib

    from backend.billing.prices.loading import TAX_RATES

    assert set(tomllib.loads(TAX_RATES.read_text())["rates"]) == EU
    assert all(map(is_country, EU))
    assert not any(map(is_country, ("EU", "ZZ", "de", "DEU", "", "X")))


@pytest.mark.parametrize(
    ("amount", "rate", "mode", "split"),
    [
        (300, 190_000, "exclusive", (300, 57)),
        (357, 190_000, "inclusive", (300, 57)),
        # 0.5 of the smallest unit goes up, in a currency of no decimals as in one of three.
        (5, 100_000, "exclusive", (5, 1)),
        (4, 100_000, "exclusive", (4, 0)),
        (1, 255_000, "exclusive", (1, 0)),
        (1000, 255_000, "inclusive", (797, 203)),
        (0, 190_000, "inclusive", (0, 0)),
        (300, 0, "exclusive", (300, 0)),
        (10**12, 1_000_000, "exclusive", (10**12, 10**12)),
    ],
)
def test_splits(amount: int, rate: int, mode: tax.Mode, split: tuple[int, int]) -> None:
    assert tax.split(amount, Treatment("domestic", rate, mode)) == split


@given(
    st.lists(st.integers(0, 10**9), max_size=30),
    st.integers(0, 1_000_000),
    st.sampled_from(["exclusive", "inclusive"]),
)
def test_parts_of_a_growing_sum_come_to_its_tax(parts: list[int], rate: int, mode: tax.Mode) -> None:
    """Rounded as one sum, parts of nothing and of much are never negative and come to the whole."""
    treatment = Treatment("domestic", rate, mode)
    total, net, taxed = 0, 0, 0
    for part in parts:
        total += part
        now_net, now_tax = tax.split(total, treatment)
        assert now_net >= net
        assert now_tax >= taxed
        net, taxed = now_net, now_tax
    assert (net, taxed) == tax.split(total, treatment)
    if mode == "inclusive":
        assert net + taxed == total


class TestVatIds:
    @pytest.mark.parametrize(
        ("typed", "country", "full"),
        [
            ("DE 136,695 976", "DE", "DE136695976"),
            ("136695976", "DE", "DE136695976"),
            ("de136695976", "DE", "DE136695976"),
            ("EL 094259216", "GR", "EL094259216"),
            ("094259216", "GR", "EL094259216"),
            ("ATU13585627", "AT", "ATU13585627"),
            ("FR 40 303 265 045", "FR", "FR40303265045"),
            ("7707083893", "RU", "7707083893"),
            ("12-3456789", "US", "123456789"),
        ],
    )
    def test_in_full(self, typed: str, country: str, full: str) -> None:
        assert vatids.normalised(typed, country) == full
        if country in EU:
            assert vatids.country_of(full) == country

    @pytest.mark.parametrize(
        ("typed", "country"),
        [
            ("DE136695977", "DE"),
            ("FR40303265045", "DE"),
            ("DE136695976", "FR"),
            ("", "DE"),
            ("DE", "DE"),
            ("DE" * 500, "DE"),
            ("١٣٦٦٩٥٩٧٦", "DE"),
            ("DE136695976\u200b", "DE"),
            ("123", "US"),
            ("DE136695976", "ZZ"),
            ("<script>", "DE"),
        ],
        ids=ascii,
    )
    def test_that_are_none(self, typed: str, country: str) -> None:
        with pytest.raises(ValueError, match="VAT"):
            vatids.normalised(typed, country)


class TestHolds:
    @pytest.fixture
    def settings(self, settings_of: Callable[..., Settings]) -> Settings:
        return settings_of(credit_limit_minor=0, operator_country="DE")

    async def test_are_with_tax(
        self, client: httpx.AsyncClient, database: Database, settings: Settings, ada: Person, purse: Purse
    ) -> None:
        shop = Shop(client, database, settings, ada)
        await purse.top_up(1000)
        await shop.price("dinghy", 300, 100)
        quote = (await shop.ask("GET", "/orders/preview?plan_id=dinghy")).json()
        assert (quote["month_tax_minor"], quote["setup_tax_minor"]) == (57, 19)
        assert (quote["held_minor"], quote["balance_after_minor"]) == (476, 524)
        await shop.ordered()
        assert await purse.three() == (524, 357, 0)
        assert (await purse.operator("revenue"), await purse.operator("tax")) == (100, 19)


class TestRates:
    @pytest.fixture
    def shop(self, client: httpx.AsyncClient, database: Database, settings: Settings, admin: Person) -> Shop:
        return Shop(client, database, settings, admin)

    async def test_are_added_and_only_those_to_come_removed(self, shop: Shop) -> None:
        soon = (now() + timedelta(days=30)).isoformat()
        body = {"country": "DE", "rate_percent": "20.25", "valid_from": soon, "source": "a law"}
        added = await shop.ask("POST", "/admin/billing/tax-rates", body)
        assert (added.status_code, added.json()["rate_millionths"]) == (201, 202_500)
        assert added.json()["state"] == "coming"
        assert (await shop.ask("POST", "/admin/billing/tax-rates", body)).status_code == 409
        rates = (await shop.ask("GET", "/admin/billing/tax-rates")).json()["items"]
        german = [rate for rate in rates if rate["country"] == "DE"]
        assert [rate["state"] for rate in german] == ["coming", "present"]
        path = "/admin/billing/tax-rates/{id}"
        assert (await shop.ask("DELETE", path.format(**german[0]))).status_code == 204
        refused = await shop.ask("DELETE", path.format(**german[1]))
        assert (refused.status_code, refused.json()["code"]) == (409, "tax_rate_in_force")

    @pytest.mark.parametrize(
        "change",
        [
            {"country": "ZZ"},
            {"country": "de"},
            {"rate_percent": "101"},
            {"rate_percent": "-1"},
            {"rate_percent": "1.23456"},
            {"rate_percent": "NaN"},
            {"rate_percent": "Infinity"},
            {"valid_from": "2020-01-01T00:00:00Z"},
            {"source": ""},
            {"source": "a\nb"},
        ],
        ids=str,
    )
    async def test_that_are_none(self, shop: Shop, change: dict[str, str]) -> None:
        body = {"country": "DE", "rate_percent": "20", "source": "a law", **change}
        assert (await shop.ask("POST", "/admin/billing/tax-rates", body)).status_code == 422
