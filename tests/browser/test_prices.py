"""Prices as a person meets them: set by the operator, seen before the order, paid with a coupon."""

from __future__ import annotations

from collections.abc import Callable

from playwright.async_api import expect

from tests.browser.conftest import Windows
from tests.support.customer import Customer
from tests.support.stack import Stack


async def test_a_coupon_from_its_making_to_an_order(
    windows: Windows, stack: Stack, customer: Customer, admin: Customer, fresh: Callable[[str], str]
) -> None:
    code = fresh("fair").upper()
    office = await windows(admin)
    await office.open("/admin/billing/prices")
    await expect(office.part("price-plan-dinghy")).to_contain_text("€3")
    await office.part("new-coupon").click()
    form = office.part("coupon-form")
    await form.locator("#coupon-code").fill(code.lower())
    await form.locator("#coupon-worth").fill("50")
    await form.locator("#coupon-months").fill("3")
    await form.locator("[type=submit]").click()
    await expect(office.part("coupon").filter(has_text=code)).to_contain_text("−50 %")

    panel = await windows(customer)
    await panel.open("/services/new")
    await expect(panel.part("quote-month")).to_have_text("€3")
    await expect(panel.part("quote-held")).to_have_text("€3.00")
    await panel.part("plans").locator("[value=cutter]").check(force=True)
    await expect(panel.part("quote-held")).to_have_text("€7.00")
    await panel.part("coupon-field").locator("summary").click()
    # What was typed is looked at, also when nobody pressed "Apply".
    await panel.page.locator("#coupon").fill(code)
    name = fresh("shop")
    stack.git.commit(name, {"index.html": "open"})
    await panel.fill_order(name, stack.git.url(name))
    await panel.part("order-submit").click()
    await panel.state("live")
    order = (await customer.ask("GET", "/orders")).json()["items"][0]
    assert (order["plan_id"], order["price_minor"]) == ("cutter", 350)

    await panel.open(f"/services/{order['service_id']}/settings")
    await expect(panel.part("quote-month")).to_contain_text("€3.50")
    await panel.page.locator("#plan_id").select_option("schooner")
    await expect(panel.part("quote-held")).to_have_text("€4.00")
