"""A server that is away: said quietly, and taken back when it answers again."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.panel import Panel


async def test_a_lost_connection_is_said_until_it_is_back(panel: Panel) -> None:
    panel.watch.allow(0, "/.*")
    await panel.open("/services")
    note = panel.part("connection").locator("span")
    await expect(note).to_be_hidden()
    await panel.context.set_offline(True)
    await expect(note).to_have_text("Connection lost. Trying again…")
    await panel.context.set_offline(False)
    await expect(note).to_be_hidden()


async def test_a_page_that_asks_for_nothing_hears_of_it_too(panel: Panel) -> None:
    """The form does not ask by itself: what was lost while sending is found again by the shell."""
    panel.watch.allow(503, "/api/v1/orders")
    await panel.open("/services/new")
    away = '{"type":"about:blank","title":"Service Unavailable","status":503,"code":"api_unavailable"}'
    await panel.page.route(
        "**/api/v1/orders",
        lambda route: route.fulfill(status=503, body=away, content_type="application/problem+json"),
    )
    await panel.fill_order("fog-bank", "https://git.example.com/me/app.git")
    await panel.part("order-submit").click()
    note = panel.part("connection").locator("span")
    await expect(note).to_be_visible()
    await expect(note).to_be_hidden()


async def test_the_account_menu_has_a_name(panel: Panel) -> None:
    await panel.open("/services")
    await panel.part("account").click()
    menu = panel.page.get_by_role("dialog", name="Your account")
    await expect(menu).to_be_visible()
    await expect(menu.get_by_test_id("sign-out")).to_be_visible()
