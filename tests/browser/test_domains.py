"""A customer adds a domain, is told what to do, has it looked at by the real worker, and removes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from playwright.async_api import expect

from tests.browser.panel import Panel


async def test_from_adding_to_removing(panel: Panel, deployed: Callable[..., Awaitable[str]]) -> None:
    service = await deployed()
    await panel.open(f"/services/{service}/domains")
    # What has to be set is for whoever runs the panel to know.
    await expect(panel.part("no-https")).to_be_visible()
    await expect(panel.part("no-https")).not_to_contain_text("EDGE_TLS_ADDRESS")
    form = panel.part("domain-form")
    panel.watch.allow(422, f"/api/v1/services/{service}/domains")
    await form.locator("[name=name]").fill("co.uk")
    await form.locator("[type=submit]").click()
    await expect(form.locator("[name=name]")).to_have_attribute("aria-invalid", "true")
    await form.locator("[name=name]").fill("Бухта.example.org")
    await form.locator("[type=submit]").click()
    card = panel.part("domain")
    await expect(card).to_have_attribute("data-domain-state", "pending")
    await expect(card.locator("h3")).to_have_text("бухта.example.org")
    await expect(panel.part("proof")).to_contain_text("_gavan-challenge.xn--80ab5cdk.example.org")
    await panel.part("check-domain").click()
    await expect(panel.part("seen")).not_to_have_attribute("data-look", "unchecked", timeout=60_000)
    await expect(card).to_have_attribute("data-domain-state", "pending")
    await panel.part("remove-domain").click()
    await panel.part("dialog").locator("[value=yes]").click()
    await expect(card).to_have_count(0)
