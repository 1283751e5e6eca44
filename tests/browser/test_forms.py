"""What a form says beside its fields, and what it keeps."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Windows
from tests.browser.panel import Panel
from tests.support.customer import Customer

SSH = "An ssh address names a user, a host and a path, as in git@host:path."


async def test_a_repository_and_a_name_are_refused_in_particular(panel: Panel) -> None:
    await panel.open("/services/new")
    await panel.fill_order("Ship_Yard", "git@git.example.com:")
    await panel.part("order-submit").click()
    await expect(panel.error_of("Repository")).to_have_text(SSH)
    await expect(panel.error_of("Name").first).to_have_text("Begin with a lowercase Latin letter.")
    await panel.field("Repository").fill("git.example.com/me/app.git")
    await expect(panel.error_of("Repository")).to_have_text(
        "The address must look like https://host/path or git@host:path."
    )
    signs = "Only lowercase Latin letters, digits and single hyphens."
    for name in ("ship--yard", "ship.yard"):
        await panel.field("Name").first.fill(name)
        await expect(panel.error_of("Name").first).to_have_text(signs)
    await panel.field("Name").first.fill("ship-yard")
    await panel.field("Repository").fill("https://git.example.com/me/app.git")
    await expect(panel.error_of("Repository")).to_have_text("")
    await expect(panel.error_of("Name").first).to_have_text("")


async def test_what_the_server_refuses_is_said_at_the_field(windows: Windows, customer: Customer) -> None:
    panel = await windows(customer, language="ru")
    panel.watch.allow(422, "/api/v1/orders")
    await panel.open("/services/new")
    await panel.page.locator("#name").fill("shipyard")
    await panel.page.locator("#repo_url").fill("http://10.1.2.3/me/app.git")
    await panel.part("order-submit").click()
    await expect(panel.page.locator("#repo_url-error")).to_have_text(
        "Это внутренний адрес, а репозиторий должен быть доступен публично."
    )


@pytest.mark.parametrize("language", ["Русский"])
async def test_another_language_keeps_what_was_typed(panel: Panel, language: str) -> None:
    await panel.open("/services/new")
    await panel.fill_order("half-an-order", "https://git.example.com/me/half.git", WAVE="long")
    await panel.page.locator("[name=plan_id]").nth(1).check(force=True)
    await panel.part("account").click()
    await panel.part("account-menu").get_by_text(language).click()
    await expect(panel.heading()).to_have_text("Новый сервис")
    await expect(panel.page.locator("#name")).to_have_value("half-an-order")
    await expect(panel.page.locator("#repo_url")).to_have_value("https://git.example.com/me/half.git")
    await expect(panel.page.locator("[name=plan_id]").nth(1)).to_be_checked()
    await expect(panel.part("variable").locator("[data-name]")).to_have_value("WAVE")
    await expect(panel.part("variable").locator("[data-value]")).to_have_value("long")
    await expect(panel.part("address-preview")).to_contain_text("half-an-order")
