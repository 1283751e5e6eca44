"""What makes a page show one more of its states, before it is looked at."""

from __future__ import annotations

import re

from playwright.async_api import Route, expect

from tests.browser.panel import Panel


async def wrong_order(panel: Panel) -> None:
    await panel.part("add-variable").click()
    await panel.part("variable").locator("[data-name]").fill("DATABASE_URL_OF_THE_READ_ONLY_REPLICA")
    await panel.page.locator("details:has(#health_path) summary").click()
    await panel.page.locator("#health_path").fill("healthy")
    await panel.part("order-submit").click()
    await expect(panel.page.locator("#name")).to_have_attribute("aria-invalid", "true")


async def example(panel: Panel) -> None:
    await panel.part("templates").locator("[value=example-node]").check(force=True)
    await panel.page.locator("#name").fill("well-chosen-name")


async def wrong_sign_in(panel: Panel) -> None:
    await panel.page.locator("#email").fill("nobody@example.com")
    await panel.page.locator("#password").fill("not this one")
    panel.watch.allow(400, "/oauth/token")
    await panel.page.locator("form [type=submit]").click()
    await expect(panel.page.get_by_role("alert")).to_be_visible()


async def wrong_registration(panel: Panel) -> None:
    await panel.page.locator("form [type=submit]").click()
    await expect(panel.page.locator("#email")).to_have_attribute("aria-invalid", "true")


async def token(panel: Panel) -> None:
    await panel.page.locator("#source-token").fill("tok_of_the_forge")
    await panel.part("save-token").click()
    await expect(panel.part("remove-token")).to_be_visible()
    await panel.part("check-access").click()
    await expect(panel.part("check-result")).to_be_visible()


async def cron_history(panel: Panel) -> None:
    for history in await panel.part("cron-jobs").locator("summary").all():
        await history.click()
    await expect(panel.part("cron-run")).to_have_count(2)


async def cron_new(panel: Panel) -> None:
    await panel.part("new-cron").click()
    await panel.part("cron-form").locator("summary").click()
    await expect(panel.part("cron-times").locator("strong")).to_be_visible()


async def key(panel: Panel) -> None:
    await panel.page.locator("#repo_url").fill("git@git.example.com:harbour/crab-count.git")
    await panel.page.locator("form [type=submit]").first.click()
    await expect(panel.part("public-key")).to_be_visible()
    await panel.page.locator("details summary").click()


async def order_by_key(panel: Panel) -> None:
    await panel.page.locator("#repo_url").fill("git@github.com:harbour/ferry-bookings.git")
    await panel.part("make-key").click()
    await expect(panel.part("public-key")).to_be_visible()


async def deletion(panel: Panel) -> None:
    await panel.part("delete").click()
    await expect(panel.part("dialog")).to_be_visible()


async def sections(panel: Panel) -> None:
    await panel.page.set_viewport_size({"width": 360, "height": 740})
    await panel.part("sections").click()
    await expect(panel.link("Settings" if await english(panel) else "Настройки")).to_be_visible()


async def english(panel: Panel) -> bool:
    return bool(await panel.page.evaluate("document.documentElement.lang === 'en'"))


async def searched(panel: Panel) -> None:
    await panel.part("log-search").fill("GET")
    await expect(panel.part("log-found")).to_contain_text(re.compile("line|строк"))


async def revealed(panel: Panel) -> None:
    await panel.page.locator("[data-action='variables.reveal']").first.click()
    await expect(panel.page.locator("[data-action='variables.reveal']").first).to_have_attribute(
        "aria-pressed", "true"
    )


async def new_volume(panel: Panel) -> None:
    await panel.part("add-volume").click()
    await expect(panel.page.locator("dialog[open]")).to_be_visible()


async def new_file(panel: Panel) -> None:
    await panel.part("add-file").click()
    await expect(panel.page.locator("dialog[open]")).to_be_visible()


async def order_image(panel: Panel) -> None:
    """As where services run in containers, with an image that cannot be had."""

    async def answer(route: Route) -> None:
        offered = await (await route.fetch()).json()
        await route.fulfill(json=offered | {"abilities": [*offered["abilities"], "images"]})

    await panel.page.route("**/api/v1/templates*", answer)
    await panel.page.reload()
    await panel.page.locator("[name='source.kind'][value=image]").check(force=True)
    await panel.page.locator("[name='source.image']").fill("registry.example.org/harbour/tide-tables:1.27")
    for summary in await panel.page.locator("#content summary:visible").all():
        await summary.click()


async def order_archive(panel: Panel) -> None:
    await panel.page.locator("[name='source.kind'][value=archive]").check(force=True)


async def rollback(panel: Panel) -> None:
    await panel.part("roll-back-1").click()
    await expect(panel.part("changes")).to_be_visible()


async def account_menu(panel: Panel) -> None:
    await panel.part("account").click()
    await expect(panel.part("account-menu")).to_be_visible()


async def saved(panel: Panel) -> None:
    await panel.page.locator("#name").fill("Inês Tavares de Vasconcelos e Albuquerque")
    await panel.part("profile-form").locator("[type=submit]").click()
    await expect(panel.part("toasts").locator(".toast")).to_be_visible()


async def new_application(panel: Panel) -> None:
    await panel.part("new-application").click()
    await expect(panel.part("application-form")).to_be_visible()


async def new_token(panel: Panel) -> None:
    await panel.part("new-token").click()
    await panel.part("token-form").locator("[type=submit]").click()
    await expect(panel.page.locator("#token-name")).to_have_attribute("aria-invalid", "true")


async def guides(panel: Panel) -> None:
    for guide in await panel.part("guides").locator("summary").all():
        await guide.click()
    await panel.page.locator("[data-part=previews-settings] > summary").click()


async def with_https(panel: Panel) -> None:
    """As in an installation that gets certificates and knows its addresses."""

    async def answer(route: Route) -> None:
        setup = await (await route.fetch()).json()
        setup |= {"https": True, "missing": [], "addresses": ["192.0.2.7", "2001:db8::7"]}
        await route.fulfill(json=setup)

    await panel.page.route("**/domains/setup", answer)
    await panel.page.reload()
    for summary in await panel.part("domains").locator("summary:visible").all():
        await summary.click()
    await expect(panel.part("domain").first).to_be_visible()


async def event(panel: Panel) -> None:
    """Unfolds the one that says most."""
    await panel.page.locator("[data-audit='service.ordered'] summary").last.click()
    await expect(panel.part("changes").last).to_be_visible()
