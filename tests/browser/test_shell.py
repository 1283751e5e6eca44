"""The panel's frame: language, theme, menu, keyboard, history."""

from __future__ import annotations

from collections.abc import Callable

from playwright.async_api import Page, expect

from tests.browser.conftest import Windows
from tests.browser.panel import Panel
from tests.support.customer import PASSWORD, Customer
from tests.support.stack import Stack

Fresh = Callable[[str], str]


async def test_the_language_stays(guest: Panel, customer: Customer) -> None:
    root = guest.page.locator("html")
    await guest.open("/login")
    await expect(root).to_have_attribute("lang", "en")
    await guest.field("E-mail").fill(customer.email)
    await guest.page.locator("#content").get_by_text("Русский").click()
    await expect(root).to_have_attribute("lang", "ru")
    await expect(guest.page).to_have_title("Вход · Gavan")
    await guest.reload()
    await expect(root).to_have_attribute("lang", "ru")
    await expect(guest.heading()).to_have_text("Вход")
    await guest.page.get_by_label("Эл. почта").fill(customer.email)
    await guest.page.get_by_label("Пароль", exact=True).fill(PASSWORD)
    await guest.page.get_by_role("button", name="Войти", exact=True).click()
    await guest.at("/services")
    await expect(guest.heading()).to_have_text("Сервисы")
    await guest.part("account").click()
    await guest.part("account-menu").get_by_text("English").click()
    await expect(guest.heading()).to_have_text("Services")
    await guest.open("/jobs")
    await expect(root).to_have_attribute("lang", "en")
    await expect(guest.page).to_have_title("Jobs · Gavan")


async def test_the_account_remembers_the_language_for_other_browsers(
    windows: Windows, customer: Customer
) -> None:
    first, second = await windows(customer), await windows()
    await first.open("/profile")
    await first.page.locator("input[name=language-choice][value=ru]").check(force=True)
    await expect(first.heading()).to_have_text("Профиль")
    await second.open("/login")
    await second.sign_in(customer.email)
    await expect(second.heading()).to_have_text("Сервисы")


async def _paper(page: Page) -> str:
    return str(await page.evaluate("getComputedStyle(document.body).backgroundColor"))


async def test_the_theme_follows_the_system_until_one_is_chosen(panel: Panel) -> None:
    page = panel.page
    await panel.open("/services")
    light = await _paper(page)
    await page.emulate_media(color_scheme="dark")
    dark = await _paper(page)
    assert light != dark

    for theme, paper in (("light", light), ("dark", dark)):
        await panel.part("account").click()
        await panel.part("account-menu").locator(f"[value={theme}]").check(force=True)
        await expect(page.locator("html")).to_have_attribute("data-theme", theme)
        assert await _paper(page) == paper
        await page.emulate_media(color_scheme="dark" if theme == "light" else "light")
        await panel.reload()
        assert await _paper(page) == paper

    await panel.part("account").click()
    await panel.part("account-menu").locator("[value=system]").check(force=True)
    await expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")
    assert await _paper(page) == light


async def test_the_menu_of_a_narrow_screen(windows: Windows, customer: Customer) -> None:
    panel = await windows(customer, width=360)
    await panel.open("/services")
    sidebar, burger = panel.page.locator("#sidebar"), panel.button("Open menu")
    await expect(sidebar).to_be_hidden()
    await burger.click()
    await expect(sidebar).to_be_visible()
    await expect(burger).to_have_attribute("aria-expanded", "true")
    await expect(panel.button("Close menu")).to_be_focused()
    for _ in range(12):
        await panel.page.keyboard.press("Tab")
        assert await panel.page.evaluate("!document.activeElement.closest('#column')"), "focus left the menu"

    await panel.page.keyboard.press("Escape")
    await expect(sidebar).to_be_hidden()
    await expect(burger).to_be_focused()
    await expect(burger).to_have_attribute("aria-expanded", "false")

    await burger.click()
    await expect(sidebar).to_be_visible()
    await panel.page.mouse.click(340, 500)
    await expect(sidebar).to_be_hidden()

    await burger.click()
    await sidebar.get_by_role("link", name="Jobs").click()
    await panel.at("/jobs")
    await expect(sidebar).to_be_hidden()
    await expect(panel.heading()).to_be_focused()
    await burger.click()
    await expect(sidebar.locator("[aria-current=page]")).to_have_text("Jobs")


async def _tab_to(panel: Panel, selector: str) -> None:
    for _ in range(40):
        if await panel.page.evaluate("(to) => document.activeElement.matches(to)", selector):
            return
        await panel.page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {selector}")


async def test_without_a_mouse(stack: Stack, guest: Panel, customer: Customer, fresh: Fresh) -> None:
    name = fresh("keys")
    stack.git.commit(name, {"index.html": "by keys alone"})
    keyboard = guest.page.keyboard
    await guest.open("/login")
    await expect(guest.field("E-mail")).to_be_focused()
    await keyboard.type(customer.email)
    await _tab_to(guest, "#password")
    await keyboard.type(PASSWORD)
    await keyboard.press("Enter")
    await guest.at("/services")
    await expect(guest.heading()).to_be_focused()

    await guest.page.evaluate("document.activeElement.blur()")
    await _tab_to(guest, ".skip")
    await keyboard.press("Enter")
    await expect(guest.page.locator("#content")).to_be_focused()
    await _tab_to(guest, "[href='/services/new']")
    await keyboard.press("Enter")
    await guest.at("/services/new")
    await guest.settled()
    await _tab_to(guest, "[name=template_id]")
    await keyboard.press("ArrowDown")
    await expect(guest.field("Repository")).not_to_be_editable()
    await keyboard.press("ArrowUp")
    await _tab_to(guest, "#name")
    await keyboard.type(name)
    await _tab_to(guest, "#repo_url")
    await keyboard.type(stack.git.url(name))
    await _tab_to(guest, "[name=plan_id]")
    await _tab_to(guest, "[type=submit]")
    await keyboard.press("Enter")
    await guest.at("/deployments/[0-9a-f-]+")
    await guest.state("live")
    await expect(guest.part("open-app")).to_be_visible()
    await _tab_to(guest, "[data-testid=open-app]")


async def test_back_and_forward(panel: Panel) -> None:
    await panel.open("/services")
    # Gone at a real load, so it tells that there was none.
    await panel.page.evaluate("window.same = true")
    await panel.link("Jobs").click()
    await panel.at("/jobs")
    await panel.link("Profile").first.click()
    await panel.at("/profile")
    await expect(panel.page).to_have_title("Profile · Gavan")
    await panel.page.go_back()
    await expect(panel.heading()).to_have_text("Jobs")
    await expect(panel.page).to_have_title("Jobs · Gavan")
    await panel.page.go_back()
    await expect(panel.heading()).to_have_text("Services")
    await expect(panel.link("Services").first).to_have_attribute("aria-current", "page")
    await panel.page.go_forward()
    await expect(panel.heading()).to_have_text("Jobs")
    assert await panel.page.evaluate("window.same") is True


async def test_what_is_not_there(panel: Panel) -> None:
    panel.watch.allow(404, "/api/v1/.*")
    panel.watch.allow(422, "/api/v1/.*")
    nowhere = "0190aaaa-0000-7000-8000-000000000000"
    paths = ["/no/such/page", f"/services/{nowhere}", f"/deployments/{nowhere}", f"/jobs/{nowhere}"]
    for path in [*paths, "/services/not-an-id"]:
        await panel.open(path)
        await expect(panel.heading()).to_have_text("Nothing at this berth")
        await expect(panel.page).to_have_title("Nothing at this berth · Gavan")
    await panel.link("Back to the services").click()
    await panel.at("/services")
    await expect(panel.heading()).to_have_text("Services")


async def test_a_changed_name_is_shown_at_once(panel: Panel) -> None:
    await panel.open("/profile")
    await panel.field("Name").fill("Åsa <b>Bold</b>")
    await panel.button("Save").click()
    await expect(panel.toast("Profile saved.")).to_be_visible()
    await expect(panel.part("account")).to_have_text("Å")
    await panel.part("account").click()
    await expect(panel.part("account-menu")).to_contain_text("Åsa <b>Bold</b>")
