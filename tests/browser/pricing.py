"""What the order form and the page of prices show of money, in states that a visit would not find."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Route, expect

from tests.browser.panel import Panel


async def answered_with(panel: Panel, pattern: str, **changes: Any) -> None:
    """Let answers at these addresses say something else."""

    async def answer(route: Route) -> None:
        said = await (await route.fetch()).json()
        await route.fulfill(json=said | changes)

    await panel.page.route(pattern, answer)


async def too_dear(panel: Panel) -> None:
    """With a coupon, a set-up fee, tax, and not enough on the balance."""
    said = {
        "currency": "EUR",
        "month_list_minor": 1_234_500,
        "month_minor": 1_111_050,
        "month_tax_minor": 211_100,
        "month_total_minor": 1_322_150,
        "setup_list_minor": 99_900,
        "setup_minor": 89_910,
        "hour_total_minor_decimal": "1967.485119",
        "tax": {"code": "destination", "rate_millionths": 255_000, "included": False, "country": "FI"},
        "coupon": {"code": "LIGHTHOUSE-KEEPERS-OF-THE-NORTHERN-COAST", "months": 12},
        "held_minor": 1_412_060,
        "balance_after_minor": -1_400_000,
        "missing_minor": 1_400_000,
    }
    await answered_with(panel, "**/api/v1/orders/preview?*", **said)
    await panel.reload()
    await panel.part("coupon-field").locator("summary").click()
    await expect(panel.part("quote-missing")).to_be_visible()


async def _as_it_is(panel: Panel) -> None:
    """What the places before let answers say is forgotten."""
    await panel.page.unroute_all(behavior="ignoreErrors")
    await panel.reload()


async def coupon_refused(panel: Panel) -> None:
    await _as_it_is(panel)
    await panel.part("coupon-field").locator("summary").click()
    await panel.page.locator("#coupon").fill("NO-SUCH-COUPON")
    panel.watch.allow(422, "/api/v1/orders/preview")
    await panel.part("apply-coupon").click()
    await expect(panel.page.locator("#coupon")).to_have_attribute("aria-invalid", "true")
    await expect(panel.part("quote-held")).to_be_visible()


async def many_versions(panel: Panel) -> None:
    """Of a plan: past, present, to come, withdrawn, in a currency of no decimals and one of three."""
    version = {
        "id": "0199c2d4-9f3e-7c51-b2a4-3d5e6f708190",
        "plan_id": "dinghy",
        "currency": "EUR",
        "month_minor": 300,
        "setup_minor": 2500,
        "valid_from": "2026-03-01T00:00:00Z",
        "valid_until": None,
        "state": "present",
        "existing": "keep",
        "moves_at": None,
        "source": "catalogue",
        "services": 1204,
    }
    coming = {"state": "coming", "existing": "move", "moves_at": "2027-04-01T00:00:00Z", "services": 0}
    past = {"state": "past", "valid_until": "2026-03-01T00:00:00Z", "valid_from": "2025-03-01T00:00:00Z"}
    versions = [
        {**version, **coming, "month_minor": 350, "valid_from": "2027-02-01T00:00:00Z"},
        version,
        {**version, **past, "month_minor": 250},
        {**version, "currency": "KWD", "month_minor": 987_654, "source": "admin"},
        {**version, "currency": "JPY", "month_minor": 12_000_000, "setup_minor": 0},
    ]
    for number, one in enumerate(versions):
        one["id"] = f"{version['id'][:-1]}{number}"
    title = {"en": "Dinghy", "ru": "Шлюпка"}
    items = [
        {"id": "dinghy", "title": title, "active": True, "versions": versions},
        {"id": "raft", "title": {"en": "Raft", "ru": "Плот"}, "active": False, "versions": []},
    ]
    coupon = {
        "id": version["id"],
        "code": "LIGHTHOUSE-KEEPERS-OF-THE-NORTHERN-COAST",
        "kind": "percent",
        "percent": 15,
        "amount_minor": None,
        "currency": None,
        "months": 12,
        "first_order": True,
        "uses": 998,
        "uses_limit": 1000,
        "uses_per_project": 1,
        "expires_at": "2027-01-01T00:00:00Z",
        "ended_at": None,
        "note": "For those who came to the fair at Hamburg",
        "created_at": "2026-11-01T00:00:00Z",
    }
    amount = {"kind": "amount", "percent": None, "amount_minor": 150, "currency": "EUR", "months": None}
    over = {
        "id": f"{version['id'][:-1]}1",
        "code": "OLD-1",
        "ended_at": "2026-11-02T00:00:00Z",
        "uses_limit": None,
    }
    await answered_with(panel, "**/api/v1/admin/billing/prices", items=items)
    await answered_with(
        panel, "**/api/v1/admin/billing/coupons?*", items=[coupon, {**coupon, **amount, **over}]
    )
    await answered_with(panel, "**/api/v1/admin/billing/tax-rates", operator_country="DE")
    await panel.reload()
    await panel.part("price-plan-dinghy").locator("summary").click()
    await expect(panel.part("coupon")).to_have_count(2)


async def new_price(panel: Panel) -> None:
    await _as_it_is(panel)
    await panel.part("set-price").click()
    await panel.page.locator("#price-month").fill("three")
    await panel.part("price-form").locator("[type=submit]").click()
    await expect(panel.page.locator("#price-month")).to_have_attribute("aria-invalid", "true")


async def new_coupon(panel: Panel) -> None:
    await panel.part("new-coupon").click()
    await panel.part("coupon-form").locator("[type=submit]").click()
    await expect(panel.page.locator("#coupon-code")).to_have_attribute("aria-invalid", "true")


async def new_rate(panel: Panel) -> None:
    await panel.part("add-rate").click()
    await expect(panel.page.locator("#tax-country")).to_be_focused()
